// Stands in for libcuda.so.1 and libnccl.so.2 where there is no GPU, as far as finesift calls them: a stream is a thread that does what it
// is asked for in order, memory is that of the host, ranks are threads of one process. STAND_IN names a fault: "wrong" sums, "refuses" to
// join rank 1, which "hangs" after some operations; a call that "blocks" rank 0 until it is aborted.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Mark {
  std::mutex mutex;
  std::condition_variable reached;
  bool done = false;
  Clock::time_point at;

  void reach() {
    const std::lock_guard<std::mutex> lock(mutex);
    done = true;
    at = Clock::now();
    reached.notify_all();
  }

  void wait() {
    std::unique_lock<std::mutex> lock(mutex);
    reached.wait(lock, [&] { return done; });
  }
};

struct Event {
  std::shared_ptr<Mark> mark = std::make_shared<Mark>();
};

class Stream {
 public:
  Stream() : thread([this] { run(); }) {}

  ~Stream() {
    ask(nullptr);
    thread.join();
  }

  void ask(std::function<void()> task) {
    const std::lock_guard<std::mutex> lock(mutex);
    tasks.push_back(std::move(task));
    asked.notify_one();
  }

 private:
  std::mutex mutex;
  std::condition_variable asked;
  std::deque<std::function<void()>> tasks;
  std::thread thread;

  void run() {
    for (;;) {
      std::unique_lock<std::mutex> lock(mutex);
      asked.wait(lock, [&] { return !tasks.empty(); });
      const auto task = std::move(tasks.front());
      tasks.pop_front();
      lock.unlock();
      if (!task) {
        return;
      }
      task();
    }
  }
};

// Without a stream the host does it at once.
void on(void* stream, std::function<void()> task) {
  stream == nullptr ? task() : static_cast<Stream*>(stream)->ask(std::move(task));
}

struct UniqueId {
  char bytes[128];
};

// What the ranks have given to one operation.
struct Given {
  std::vector<std::vector<char>> tensors;
  int count = 0;
};

struct Group {
  std::mutex mutex;
  std::condition_variable changed;
  int joined = 0;
  std::map<uint64_t, std::shared_ptr<Given>> operations;
};

struct Communicator {
  std::shared_ptr<Group> group;
  int size;
  int rank;
  uint64_t operations = 0;
  bool aborted = false;
};

std::mutex groups_mutex;
std::map<std::string, std::shared_ptr<Group>> groups;

std::string fault() {
  const char* named = std::getenv("STAND_IN");
  return named == nullptr ? "" : named;
}

// What all ranks have given to an operation; null if this one is aborted before.
std::shared_ptr<Given> exchange(Communicator* communicator, uint64_t number, std::vector<char> own) {
  constexpr uint64_t some = 120;
  Group& group = *communicator->group;
  std::unique_lock<std::mutex> lock(group.mutex);
  if (fault() == "hangs" && communicator->rank == 1 && number >= some) {
    group.changed.wait(lock, [&] { return communicator->aborted; });
    return nullptr;
  }
  auto& given = group.operations[number];
  if (!given) {
    given = std::make_shared<Given>();
    given->tensors.resize(communicator->size);
  }
  const auto shared = given;
  shared->tensors[communicator->rank] = std::move(own);
  ++shared->count;
  group.changed.notify_all();
  group.changed.wait(lock, [&] { return shared->count == communicator->size || communicator->aborted; });
  return shared->count == communicator->size ? shared : nullptr;
}

template <typename T>
void add(void* sum, const std::vector<std::vector<char>>& tensors, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    T total = 0;
    for (const auto& tensor : tensors) {
      total += reinterpret_cast<const T*>(tensor.data())[i];
    }
    static_cast<T*>(sum)[i] = total;
  }
}

void add_bfloat16(void* sum, const std::vector<std::vector<char>>& tensors, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    float total = 0;
    for (const auto& tensor : tensors) {
      const uint32_t bits = uint32_t{reinterpret_cast<const uint16_t*>(tensor.data())[i]} << 16;
      float value;
      std::memcpy(&value, &bits, sizeof value);
      total += value;
    }
    uint32_t bits;
    std::memcpy(&bits, &total, sizeof bits);
    bits += 0x7fff + (bits >> 16 & 1);
    static_cast<uint16_t*>(sum)[i] = static_cast<uint16_t>(bits >> 16);
  }
}

size_t size_of(int type) {
  switch (type) {
    case 0: case 1: return 1;
    case 6: case 9: return 2;
    case 4: case 5: case 8: return 8;
    default: return 4;
  }
}

void add(int type, void* sum, const std::vector<std::vector<char>>& tensors, size_t count) {
  switch (type) {
    case 1: return add<uint8_t>(sum, tensors, count);
    case 2: return add<int32_t>(sum, tensors, count);
    case 4: return add<int64_t>(sum, tensors, count);
    case 7: return add<float>(sum, tensors, count);
    case 8: return add<double>(sum, tensors, count);
    case 9: return add_bfloat16(sum, tensors, count);
  }
}

} // namespace

extern "C" {

int cuCtxGetCurrent(void** context) {
  static int only;
  *context = &only;
  return 0;
}

int cuCtxSetCurrent(void*) {
  return 0;
}

int cuStreamCreate(void** stream, unsigned) {
  *stream = new Stream;
  return 0;
}

// As the driver does it: without waiting for what the stream is still asked for.
int cuStreamDestroy_v2(void* stream) {
  std::thread([stream] { delete static_cast<Stream*>(stream); }).detach();
  return 0;
}

int cuStreamWaitEvent(void* stream, void* event, unsigned) {
  on(stream, [mark = static_cast<Event*>(event)->mark] { mark->wait(); });
  return 0;
}

int cuEventCreate(void** event, unsigned) {
  *event = new Event;
  return 0;
}

int cuEventDestroy_v2(void* event) {
  delete static_cast<Event*>(event);
  return 0;
}

int cuEventRecord(void* event, void* stream) {
  on(stream, [mark = static_cast<Event*>(event)->mark] { mark->reach(); });
  return 0;
}

int cuEventQuery(void* event) {
  constexpr int not_ready = 600;
  auto& mark = *static_cast<Event*>(event)->mark;
  const std::lock_guard<std::mutex> lock(mark.mutex);
  return mark.done ? 0 : not_ready;
}

int cuEventSynchronize(void* event) {
  static_cast<Event*>(event)->mark->wait();
  return 0;
}

int cuEventElapsedTime_v2(float* milliseconds, void* start, void* end) {
  const auto took = static_cast<Event*>(end)->mark->at - static_cast<Event*>(start)->mark->at;
  *milliseconds = std::chrono::duration<float, std::milli>(took).count();
  return 0;
}

int cuGetErrorString(int, const char** text) {
  *text = "an error of the stand-in";
  return 0;
}

int ncclGetVersion(int* version) {
  *version = 22809;
  return 0;
}

int ncclGetUniqueId(UniqueId* id) {
  static int number = 0;
  const std::lock_guard<std::mutex> lock(groups_mutex);
  std::memset(id, 0, sizeof *id);
  const std::string name = "group " + std::to_string(number++);
  std::memcpy(id->bytes, name.data(), name.size());
  return 0;
}

int ncclCommInitRank(void** communicator, int size, UniqueId id, int rank) {
  if (fault() == "refuses" && rank == 1) {
    return 5;
  }
  std::unique_lock<std::mutex> names(groups_mutex);
  auto& named = groups[id.bytes];
  if (!named) {
    named = std::make_shared<Group>();
  }
  const auto group = named;
  names.unlock();
  std::unique_lock<std::mutex> lock(group->mutex);
  ++group->joined;
  group->changed.notify_all();
  // Ranks that do not come are not waited for beyond what a test has time for.
  if (!group->changed.wait_for(lock, std::chrono::seconds(2), [&] { return group->joined >= size; })) {
    return 6;
  }
  *communicator = new Communicator{group, size, rank};
  return 0;
}

int ncclAllReduce(const void* from, void* to, size_t count, int type, int, void* handle, void* stream) {
  constexpr uint64_t some = 20;
  auto* communicator = static_cast<Communicator*>(handle);
  if (fault() == "blocks" && communicator->rank == 0 && communicator->operations >= some) {
    std::unique_lock<std::mutex> lock(communicator->group->mutex);
    communicator->group->changed.wait(lock, [&] { return communicator->aborted; });
    return 2;
  }
  on(stream, [=, number = communicator->operations++] {
    const auto* bytes = static_cast<const char*>(from);
    const auto given = exchange(communicator, number, std::vector<char>(bytes, bytes + count * size_of(type)));
    if (given) {
      add(type, to, given->tensors, count);
      if (fault() == "wrong" && count > 0) {
        std::memset(to, 1, size_of(type));
      }
    }
  });
  return 0;
}

int ncclAllGather(const void* from, void* to, size_t count, int type, void* handle, void* stream) {
  auto* communicator = static_cast<Communicator*>(handle);
  on(stream, [=, number = communicator->operations++] {
    const auto* bytes = static_cast<const char*>(from);
    const size_t size = count * size_of(type);
    const auto given = exchange(communicator, number, std::vector<char>(bytes, bytes + size));
    for (int rank = 0; given && rank < communicator->size; ++rank) {
      std::memcpy(static_cast<char*>(to) + rank * size, given->tensors[rank].data(), size);
    }
  });
  return 0;
}

int ncclCommGetAsyncError(void*, int* error) {
  *error = 0;
  return 0;
}

// It stays in memory: the stream may still have it.
int ncclCommAbort(void* handle) {
  auto* communicator = static_cast<Communicator*>(handle);
  const std::lock_guard<std::mutex> lock(communicator->group->mutex);
  communicator->aborted = true;
  communicator->group->changed.notify_all();
  return 0;
}

int ncclCommDestroy(void*) {
  return 0;
}

const char* ncclGetErrorString(int) {
  return "invalid usage";
}

const char* ncclGetLastError(void*) {
  return "";
}

} // extern "C"
