// Copies from host memory to a device, on a stream of their own. See copies.rs.

#include "guarded.h"

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/GradMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <memory>

namespace {

struct CopyStream {
  explicit CopyStream(c10::Device device)
      : guard(device.type()), stream(guard.getStreamFromGlobalPool(device)), used(device.type()), copied{c10::Event(device.type()), c10::Event(device.type())} {}

  const c10::impl::VirtualGuardImpl guard;
  c10::Stream stream;
  // Up to where the current stream had got when copies were last asked for.
  c10::Event used;
  // The ends of the latest copies to each of two buffers.
  c10::Event copied[2];
};

} // namespace

extern "C" {

// The tensor that is made is owned by the caller.
bool finesift_page_locked(const at::Tensor* tensor, at::Tensor** made, char* error, size_t capacity) {
  return guarded(error, capacity, [&] { *made = new at::Tensor(tensor->pin_memory()); });
}

bool finesift_copy_stream(int8_t device, void** stream, char* error, size_t capacity) {
  return guarded(error, capacity, [&] { *stream = new CopyStream(c10::Device(c10::DeviceType::CUDA, device)); });
}

// Waits for its copies, since their memory may go next.
void finesift_drop_copy_stream(void* stream) {
  const std::unique_ptr<CopyStream> copies(static_cast<CopyStream*>(stream));
  char error[1];
  guarded(error, sizeof error, [&] { copies->stream.synchronize(); });
}

bool finesift_copy_ahead(void* stream, size_t buffer, const at::Tensor* const* to, const at::Tensor* const* from, size_t count, char* error, size_t capacity) {
  return guarded(error, capacity, [&] {
    auto& copies = *static_cast<CopyStream*>(stream);
    copies.used.record(copies.guard.getStream(copies.stream.device()));
    copies.used.block(copies.stream);
    const c10::NoGradGuard without_graph;
    const c10::StreamGuard on_stream(copies.stream);
    for (size_t i = 0; i < count; ++i) {
      to[i]->copy_(*from[i], true);
    }
    copies.copied[buffer].record(copies.stream);
  });
}

bool finesift_wait_for_copies(void* stream, size_t buffer, char* error, size_t capacity) {
  return guarded(error, capacity, [&] {
    auto& copies = *static_cast<CopyStream*>(stream);
    copies.copied[buffer].block(copies.guard.getStream(copies.stream.device()));
  });
}

} // extern "C"
