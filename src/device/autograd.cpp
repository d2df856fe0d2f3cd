// Nodes of libtorch's autograd graph whose backward pass is a Rust closure. No exception leaves this file.

#include "guarded.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <memory>
#include <utility>

namespace {

using torch::autograd::variable_list;

// A Rust closure. `call` consumes it. It takes the gradient of the node's output, owned, and which gradients of its inputs are
// `needed`, and writes these, owned; or a message if it failed.
struct Closure {
  void* data;
  bool (*call)(void* data, at::Tensor* gradient, const bool* needed, at::Tensor** found, size_t inputs, char* error, size_t capacity);
  void (*drop)(void* data);
};

class RustNode final : public torch::autograd::Node {
 public:
  RustNode(const char* name, Closure closure) : name_(name), closure_(closure) {}

  ~RustNode() override {
    release_variables();
  }

  std::string name() const override {
    return name_;
  }

  // What the closure keeps of the forward pass goes as soon as it is not needed any more.
  void release_variables() override {
    if (void* data = std::exchange(closure_.data, nullptr)) {
      closure_.drop(data);
    }
  }

  variable_list apply(variable_list&& gradients) override {
    TORCH_CHECK(closure_.data != nullptr, name_, ": a second backward pass through the same graph");
    const size_t inputs = num_outputs();
    if (!gradients[0].defined()) {
      return variable_list(inputs);
    }
    const auto needed = std::make_unique<bool[]>(inputs);
    for (size_t input = 0; input < inputs; ++input) {
      needed[input] = task_should_compute_output(input);
    }
    std::vector<at::Tensor*> found(inputs, nullptr);
    char error[512] = "";
    const bool succeeded = closure_.call(
        std::exchange(closure_.data, nullptr),
        new at::Tensor(std::move(gradients[0])),
        needed.get(),
        found.data(),
        inputs,
        error,
        sizeof error);
    TORCH_CHECK(succeeded, error);
    variable_list result;
    for (at::Tensor* gradient : found) {
      result.push_back(std::move(*gradient));
      delete gradient;
    }
    return result;
  }

 private:
  const char* name_;
  Closure closure_;
};

} // namespace

extern "C" {

bool finesift_is_recording() {
  return at::GradMode::is_enabled();
}

// Consumes the closure in any case. `name` lives for good.
bool finesift_attach_node(
    const char* name, Closure closure, at::Tensor* const* inputs, size_t count, at::Tensor* output, char* error, size_t capacity) {
  // A long chain of nodes would overflow the stack if each deleted the next.
  std::shared_ptr<RustNode> node(new RustNode(name, closure), torch::autograd::deleteNode);
  return guarded(error, capacity, [&] {
    torch::autograd::edge_list edges;
    for (size_t input = 0; input < count; ++input) {
      edges.push_back(torch::autograd::impl::gradient_edge(*inputs[input]));
    }
    node->set_next_edges(std::move(edges));
    torch::autograd::set_history(*output, node);
  });
}

// The gradients that are found are owned by the caller.
bool finesift_gradients(
    const at::Tensor* output,
    const at::Tensor* gradient,
    at::Tensor* const* inputs,
    at::Tensor** found,
    size_t count,
    char* error,
    size_t capacity) {
  return guarded(error, capacity, [&] {
    variable_list of;
    for (size_t input = 0; input < count; ++input) {
      of.push_back(*inputs[input]);
    }
    auto gradients = torch::autograd::grad({*output}, of, {*gradient}, false, false, true);
    for (size_t input = 0; input < count; ++input) {
      found[input] = new at::Tensor(std::move(gradients[input]));
    }
  });
}

} // extern "C"
