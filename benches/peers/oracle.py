"""SIFT in plain dense torch, slow and simple, as an oracle: dense gradients from autograd and PyTorch's AdamW formula.

Trains the components with the largest gradient magnitude in the first batch, and parameters whose names contain an entry of `dense`.
No weight decay, no clipping.
"""
import torch


class Sift:
    def __init__(self, network, rate, modules, dense=()):
        self.network, self.steps = network, 0
        self.trained = []
        for name, parameter in network.named_parameters():
            sparse = any(part in name for part in modules) and not any(part in name for part in dense)
            parameter.requires_grad_(sparse or any(part in name for part in dense))
            if parameter.requires_grad:
                share = min(int(rate * parameter.numel()) + 1, parameter.numel()) if sparse else parameter.numel()
                self.trained.append([parameter, share, None, None, None])

    def select(self, batch):
        self._backward(batch)
        for entry in self.trained:
            parameter, share = entry[:2]
            # Ties go to the lower index.
            order = torch.sort(parameter.grad.abs().flatten(), descending=True, stable=True).indices
            entry[2] = order[:share]
            entry[3], entry[4] = torch.zeros(share), torch.zeros(share)

    def step(self, batch, learning_rate, betas=(0.9, 0.999), eps=1e-8):
        """Takes one step and returns the loss before it."""
        loss = self._backward(batch)
        self.steps += 1
        corrections = [1 - beta**self.steps for beta in betas]
        with torch.no_grad():
            for parameter, _, indices, first, second in self.trained:
                gradient = parameter.grad.flatten()[indices]
                first.mul_(betas[0]).add_(gradient, alpha=1 - betas[0])
                second.mul_(betas[1]).addcmul_(gradient, gradient, value=1 - betas[1])
                denominator = (second.sqrt() / corrections[1] ** 0.5).add_(eps)
                parameter.view(-1)[indices] -= learning_rate / corrections[0] * first / denominator
        return loss

    def _backward(self, batch):
        self.network.zero_grad()
        loss = self.network(**batch).loss
        loss.backward()
        return loss.item()
