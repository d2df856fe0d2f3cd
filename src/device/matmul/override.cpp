// The precision of products of fp32 matrices on a CPU: libtorch's own setting, and a kernel of ours in its place.

#include <ATen/Context.h>
#include <ATen/ops/addmm_cpu_dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm_cpu_dispatch.h>
#include <torch/library.h>

#include <atomic>

#include "../guarded.h"

namespace {

// Writes a[m, k]·b[k, n] to the row-major c[m, n], or adds it. A stride is of rows, then of columns.
using Multiply = void (*)(
    int64_t m, int64_t n, int64_t k,
    const float* a, int64_t a_row, int64_t a_column,
    const float* b, int64_t b_row, int64_t b_column,
    float* c, bool add);

std::atomic<Multiply> multiply{nullptr};

// Smaller products do not pay; libtorch does not give them to oneDNN either.
constexpr int64_t kSmallest = 16 * 16 * 16;

// What multiplies these two; null if libtorch does.
Multiply multiply_of(const at::Tensor& a, const at::Tensor& b) {
  const bool fits = a.scalar_type() == at::kFloat && b.scalar_type() == at::kFloat && a.dim() == 2 && b.dim() == 2 &&
      a.size(1) == b.size(0) && a.size(0) * a.size(1) * b.size(1) > kSmallest;
  return fits ? multiply.load(std::memory_order_relaxed) : nullptr;
}

void run(Multiply multiply, const at::Tensor& a, const at::Tensor& b, const at::Tensor& c, bool add) {
  multiply(
      a.size(0), b.size(1), a.size(1),
      a.const_data_ptr<float>(), a.stride(0), a.stride(1),
      b.const_data_ptr<float>(), b.stride(0), b.stride(1),
      c.mutable_data_ptr<float>(), add);
}

at::Tensor mm(const at::Tensor& a, const at::Tensor& b) {
  const auto multiply = multiply_of(a, b);
  if (multiply == nullptr) {
    return at::cpu::mm(a, b);
  }
  auto c = at::empty({a.size(0), b.size(1)}, a.options());
  run(multiply, a, b, c, false);
  return c;
}

at::Tensor addmm(const at::Tensor& bias, const at::Tensor& a, const at::Tensor& b, const at::Scalar& beta, const at::Scalar& alpha) {
  const auto multiply = multiply_of(a, b);
  if (multiply == nullptr || bias.scalar_type() != at::kFloat || beta.toDouble() != 1.0 || alpha.toDouble() != 1.0) {
    return at::cpu::addmm(bias, a, b, beta, alpha);
  }
  auto c = at::empty({a.size(0), b.size(1)}, a.options());
  c.copy_(bias.expand(c.sizes()));
  run(multiply, a, b, c, true);
  return c;
}

// libtorch warns of a kernel that replaces another one, which is what is meant here.
struct Silent : c10::WarningHandler {
  void process(const c10::Warning&) override {}
};

// Puts the functions above in the place of libtorch's for the rest of the process: others may be calling them, so they are not
// taken out again.
void replace_kernels() {
  static const auto* library = [] {
    Silent silent;
    const c10::WarningUtils::WarningHandlerGuard guard(&silent);
    auto* library = new torch::Library(torch::Library::IMPL, "aten", c10::DispatchKey::CPU, __FILE__, __LINE__);
    library->impl("mm", TORCH_FN(mm));
    library->impl("addmm", TORCH_FN(addmm));
    return library;
  }();
  (void)library;
}

} // namespace

extern "C" {

bool finesift_set_onednn_bf16(bool allow, char* error, size_t capacity) {
  return guarded(error, capacity, [&] {
    const auto precision = allow ? at::Float32Precision::BF16 : at::Float32Precision::NONE;
    at::globalContext().setFloat32Precision(at::Float32Backend::MKLDNN, at::Float32Op::MATMUL, precision);
  });
}

bool finesift_set_multiply(Multiply instead, char* error, size_t capacity) {
  return guarded(error, capacity, [&] {
    if (instead != nullptr) {
      replace_kernels();
    }
    multiply.store(instead, std::memory_order_relaxed);
  });
}

} // extern "C"
