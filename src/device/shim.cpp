// What tch does not bind, compiled against libtorch's own headers. No exception leaves this file: each function returns
// whether it succeeded, and otherwise writes libtorch's message to `error`.

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/record_function.h>

#include "guarded.h"

namespace {

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

bool finesift_device_memory(int8_t device, FinesiftDeviceMemory* memory, char* error, size_t capacity) {
  return guarded(error, capacity, [&] {
    // The first of each statistic is the sum over the pools of small and large blocks.
    const auto stats = allocator()->getDeviceStats(static_cast<c10::DeviceIndex>(device));
    const auto &allocated = stats.allocated_bytes[0], &reserved = stats.reserved_bytes[0];
    *memory = {allocated.current, allocated.peak, reserved.current, reserved.peak};
  });
}

bool finesift_empty_cache(char* error, size_t capacity) {
  return guarded(error, capacity, [] { allocator()->emptyCache(); });
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

} // extern "C"
