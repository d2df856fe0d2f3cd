// What tch does not bind, compiled against libtorch's own headers. No exception leaves this file: each function returns
// whether it succeeded, and otherwise writes libtorch's message to `error`.

#include "guarded.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/normal.h>
#include <ATen/record_function.h>
#include <c10/core/Allocator.h>
#include <c10/core/AllocatorConfig.h>
#include <c10/core/GradMode.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace {

// With deterministic algorithms libtorch multiplies on a GPU only if cuBLAS keeps to workspaces of this size, which is read once.
// Nobody else reads the environment before main.
[[maybe_unused]] const int workspaces = setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);

// The accelerator whose allocator is asked. Without libtorch_cuda.so, or without a GPU, there is none.
c10::DeviceAllocator* allocator() {
  const auto accelerator = at::accelerator::getAccelerator();
  TORCH_CHECK(accelerator.has_value() && at::accelerator::deviceCount() > 0, "no accelerator");
  return at::getDeviceAllocator(*accelerator);
}

// The callbacks for operators of this thread. Those of other threads are not reported, since their copy is empty.
struct Observer {
  void (*started)(const char* name) = nullptr;
  void (*ended)() = nullptr;
};
thread_local Observer observer;

std::unique_ptr<at::ObserverContext> operator_started(const at::RecordFunction& function) {
  if (observer.started != nullptr) {
    observer.started(function.name());
  }
  return nullptr;
}

void operator_ended(const at::RecordFunction&, at::ObserverContext*) {
  if (observer.ended != nullptr) {
    observer.ended();
  }
}

// Counts the bytes of tensors that this thread makes on the CPU, as libtorch's profiler does.
class TensorCounter final : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, int64_t size, size_t, size_t, c10::Device device) override {
    if (device.is_cpu()) {
      live_ += size;
      peak_ = std::max(peak_, live_);
    }
  }

  bool memoryProfilingEnabled() const override {
    return true;
  }

  int64_t peak() const {
    return peak_;
  }

 private:
  int64_t live_ = 0;
  int64_t peak_ = 0;
};

struct Counting {
  std::shared_ptr<TensorCounter> counter = std::make_shared<TensorCounter>();
  c10::DebugInfoGuard guard{c10::DebugInfoKind::PROFILER_STATE, counter};
};
thread_local std::unique_ptr<Counting> counting;

} // namespace

extern "C" {

struct FinesiftDeviceMemory {
  int64_t allocated;
  int64_t peak_allocated;
  int64_t reserved;
  int64_t peak_reserved;
};

bool finesift_set_allow_tf32(bool allow, char* error, size_t capacity) {
  return guarded(error, capacity, [&] { at::globalContext().setAllowTF32CuBLAS(allow); });
}

bool finesift_allow_tf32(bool* allowed, char* error, size_t capacity) {
  return guarded(error, capacity, [&] { *allowed = at::globalContext().allowTF32CuBLAS(); });
}

bool finesift_set_deterministic(bool deterministic, char* error, size_t capacity) {
  return guarded(error, capacity, [&] {
    auto& context = at::globalContext();
    context.setDeterministicAlgorithms(deterministic, false);
    // What is computed on is written first.
    context.setDeterministicFillUninitializedMemory(false);
  });
}

bool finesift_device_memory(int8_t device, FinesiftDeviceMemory* memory, char* error, size_t capacity) {
  return guarded(error, capacity, [&] {
    // The first of each statistic is the sum over the pools of small and large blocks.
    const auto stats = allocator()->getDeviceStats(static_cast<c10::DeviceIndex>(device));
    const auto &allocated = stats.allocated_bytes[0], &reserved = stats.reserved_bytes[0];
    *memory = {allocated.current, allocated.peak, reserved.current, reserved.peak};
  });
}

bool finesift_set_allocator_settings(const char* settings, char* error, size_t capacity) {
  return guarded(error, capacity, [&] { c10::CachingAllocator::setAllocatorSettings(settings); });
}

bool finesift_empty_cache(char* error, size_t capacity) {
  return guarded(error, capacity, [] { allocator()->emptyCache(); });
}

bool finesift_enter_device(int8_t device, char* error, size_t capacity) {
  return guarded(error, capacity, [&] {
    allocator();
    at::accelerator::setDeviceIndex(static_cast<c10::DeviceIndex>(device));
  });
}

bool finesift_current_stream(int8_t device, void** stream, char* error, size_t capacity) {
  return guarded(error, capacity, [&] {
    allocator();
    *stream = at::accelerator::getCurrentStream(static_cast<c10::DeviceIndex>(device)).native_handle();
  });
}

bool finesift_observe_operators(void (*started)(const char* name), void (*ended)(), uint64_t* handle, char* error, size_t capacity) {
  return guarded(error, capacity, [&] {
    observer = {started, ended};
    *handle = at::addThreadLocalCallback(at::RecordFunctionCallback(operator_started, operator_ended));
  });
}

bool finesift_stop_observing(uint64_t handle, char* error, size_t capacity) {
  return guarded(error, capacity, [&] {
    observer = {};
    at::removeCallback(handle);
  });
}

bool finesift_fill_normal(const at::Tensor* tensor, double deviation, uint64_t seed, char* error, size_t capacity) {
  return guarded(error, capacity, [&] {
    at::Generator generator = at::globalContext().defaultGenerator(tensor->device()).clone();
    generator.set_current_seed(seed);
    const c10::NoGradGuard without_graph;
    tensor->normal_(0.0, deviation, generator);
  });
}

bool finesift_count_tensors(char* error, size_t capacity) {
  return guarded(error, capacity, [] { counting = std::make_unique<Counting>(); });
}

int64_t finesift_counted_peak() {
  return counting == nullptr ? 0 : counting->counter->peak();
}

void finesift_stop_counting() {
  counting.reset();
}

} // extern "C"
