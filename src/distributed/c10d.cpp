// Stores and process groups of c10d, the engine of torch.distributed. See store.rs and group.rs. No exception leaves this file.

#include "../device/guarded.h"

#define USE_C10D_GLOO
#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

C10_DECLARE_int(caffe2_log_level);

namespace {

using Store = c10::intrusive_ptr<c10d::Store>;
using Group = c10::intrusive_ptr<c10d::ProcessGroupGloo>;

using Clock = std::chrono::steady_clock;

// c10d keeps a trace of each operation for PyTorch's debuggers, and groups of one process race for it. Whether it does is read once, from
// the environment, which nobody else reads before main.
[[maybe_unused]] const int unrecorded = setenv("TORCH_FR_BUFFER_SIZE", "0", 0);

// When a collective operation ended. Shared with the thread that completes it.
struct Ended {
  std::atomic<int64_t> nanoseconds{0};
};

// A collective operation under way, and what it reads and writes.
struct Pending {
  c10::intrusive_ptr<c10d::Work> work;
  std::vector<at::Tensor> tensors;
  std::shared_ptr<Ended> ended = std::make_shared<Ended>();

  Pending(c10::intrusive_ptr<c10d::Work> started, std::vector<at::Tensor> used) : work(std::move(started)), tensors(std::move(used)) {
    const auto begin = Clock::now();
    work->getFuture()->addCallback([begin, ended = ended](c10::ivalue::Future&) {
      ended->nanoseconds = std::chrono::nanoseconds(Clock::now() - begin).count();
    });
  }
};

Store& store(void* pointer) {
  return *static_cast<Store*>(pointer);
}

Group& group(void* pointer) {
  return *static_cast<Group*>(pointer);
}

} // namespace

extern "C" {

// A listening socket makes this process the server of the store.
bool finesift_store_open(const char* host, uint16_t port, int listening, int64_t timeout_ms, void** opened, char* error, size_t capacity) {
  return guarded(error, capacity, [&] {
    // Warnings on stderr would be written over the screens; what matters of them is in errors.
    FLAGS_caffe2_log_level = std::max(FLAGS_caffe2_log_level, 2);
    c10d::TCPStoreOptions options;
    options.port = port;
    options.timeout = std::chrono::milliseconds(timeout_ms);
    options.waitWorkers = false;
    if (listening >= 0) {
      options.isServer = true;
      options.masterListenFd = listening;
    }
    *opened = new Store(c10::make_intrusive<c10d::TCPStore>(host, options));
  });
}

void finesift_store_drop(void* pointer) {
  delete static_cast<Store*>(pointer);
}

bool finesift_store_set(void* pointer, const char* key, const uint8_t* value, size_t length, char* error, size_t capacity) {
  return guarded(error, capacity, [&] { store(pointer)->set(key, std::vector<uint8_t>(value, value + length)); });
}

// Waits for the key. `take` gets the value.
bool finesift_store_get(void* pointer, const char* key, int64_t timeout_ms, void (*take)(void* taker, const uint8_t* value, size_t length), void* taker, char* error, size_t capacity) {
  return guarded(error, capacity, [&] {
    store(pointer)->wait({key}, std::chrono::milliseconds(timeout_ms));
    const auto value = store(pointer)->get(key);
    take(taker, value.data(), value.size());
  });
}

bool finesift_store_has(void* pointer, const char* key, bool* found, char* error, size_t capacity) {
  return guarded(error, capacity, [&] { *found = store(pointer)->check({key}); });
}

bool finesift_store_add(void* pointer, const char* key, int64_t amount, int64_t* sum, char* error, size_t capacity) {
  return guarded(error, capacity, [&] { *sum = store(pointer)->add(key, amount); });
}

// `address` is that of this host which the others reach it by, unless the variable of torch.distributed names interfaces.
bool finesift_group_join(void* pointer, const char* name, int rank, int size, const char* address, int64_t timeout_ms, void** joined, char* error, size_t capacity) {
  return guarded(error, capacity, [&] {
    const auto options = c10d::ProcessGroupGloo::Options::create(std::chrono::milliseconds(timeout_ms));
    const char* named = std::getenv("GLOO_SOCKET_IFNAME");
    std::stringstream interfaces(named == nullptr ? "" : named);
    for (std::string interface; std::getline(interfaces, interface, ',');) {
      options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForInterface(interface));
    }
    if (options->devices.empty()) {
      options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(address));
    }
    const auto own = c10::make_intrusive<c10d::PrefixStore>(name, store(pointer));
    *joined = new Group(c10::make_intrusive<c10d::ProcessGroupGloo>(own, rank, size, options));
  });
}

void finesift_group_drop(void* pointer) {
  const std::unique_ptr<Group> dropped(&group(pointer));
}

bool finesift_all_reduce(void* pointer, const at::Tensor* tensor, void** pending, char* error, size_t capacity) {
  return guarded(error, capacity, [&] {
    std::vector<at::Tensor> tensors{*tensor};
    auto work = group(pointer)->allreduce(tensors);
    *pending = new Pending(std::move(work), std::move(tensors));
  });
}

bool finesift_broadcast(void* pointer, const at::Tensor* tensor, int root, void** pending, char* error, size_t capacity) {
  return guarded(error, capacity, [&] {
    std::vector<at::Tensor> tensors{*tensor};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    auto work = group(pointer)->broadcast(tensors, options);
    *pending = new Pending(std::move(work), std::move(tensors));
  });
}

bool finesift_all_gather(void* pointer, const at::Tensor* tensor, const at::Tensor* const* gathered, size_t count, void** pending, char* error, size_t capacity) {
  return guarded(error, capacity, [&] {
    std::vector<at::Tensor> inputs{*tensor};
    std::vector<std::vector<at::Tensor>> outputs(1);
    for (size_t rank = 0; rank < count; ++rank) {
      outputs[0].push_back(*gathered[rank]);
    }
    auto work = group(pointer)->allgather(outputs, inputs);
    outputs[0].push_back(inputs[0]);
    *pending = new Pending(std::move(work), std::move(outputs[0]));
  });
}

// Consumes the operation. `took` is how long it was under way.
bool finesift_wait(void* pointer, int64_t* took, char* error, size_t capacity) {
  const std::unique_ptr<Pending> pending(static_cast<Pending*>(pointer));
  return guarded(error, capacity, [&] {
    pending->work->wait();
    *took = pending->ended->nanoseconds;
  });
}

} // extern "C"
