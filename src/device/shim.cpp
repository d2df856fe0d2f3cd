// What tch does not bind, compiled against libtorch's own headers. No exception leaves this file: each function returns
// whether it succeeded, and otherwise writes libtorch's message to `error`.

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>

#include <cstdio>

namespace {

// Few bytes are enough for the first lines of a message; the rest is cut.
template <typename Body>
bool guarded(char* error, size_t capacity, Body&& body) noexcept {
  try {
    body();
    return true;
  } catch (const c10::Error& e) {
    std::snprintf(error, capacity, "%s", e.what_without_backtrace());
  } catch (const std::exception& e) {
    std::snprintf(error, capacity, "%s", e.what());
  } catch (...) {
    std::snprintf(error, capacity, "an exception of an unknown type");
  }
  return false;
}

// The accelerator whose allocator is asked. Without libtorch_cuda.so, or without a GPU, there is none.
c10::DeviceAllocator* allocator() {
  const auto accelerator = at::accelerator::getAccelerator();
  TORCH_CHECK(accelerator.has_value() && at::accelerator::deviceCount() > 0, "no accelerator");
  return at::getDeviceAllocator(*accelerator);
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

} // extern "C"
