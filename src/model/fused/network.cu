// Operations of networks that libtorch makes of several passes over memory. Results are rounded where a tensor operation would round
// them, so that they are the same in the weights' type.

#include "portable.h"

HELPER float rounded(float x, float) {
  return x;
}

HELPER float rounded(float x, bf16) {
  bf16 y;
  store(y, x);
  return to_float(y);
}

// `x` rounded to the type T.
#define ROUNDED(T, x) rounded(x, T())

// Calls a function template for the type of elements: 0 is fp32, 1 bf16.
#define OF_KIND(function, kind, ...) ((kind) == 0 ? function<float>(__VA_ARGS__) : function<bf16>(__VA_ARGS__))

// ---- root-mean-square norm: a block has a row

struct RmsNormArguments {
  const void* x;
  const void* weight;
  void* output;
  // One over the root of the mean square of each row.
  float* scales;
  // Of the backward pass.
  const void* gradient;
  i64 width;
  float eps;
  int kind;
};

template <typename T>
HELPER float sum_of_squares(const void* x, i64 width, int thread) {
  float sum = 0;
  for (i64 i = thread; i < width; i += THREADS) {
    const float value = to_float(((const T*)x)[i]);
    sum += value * value;
  }
  return sum;
}

template <typename T>
HELPER void normalize(const RmsNormArguments& arguments, i64 block, float scale) {
  const T* const x = (const T*)arguments.x + block * arguments.width;
  const T* const weight = (const T*)arguments.weight;
  T* const output = (T*)arguments.output + block * arguments.width;
  FOR_EACH(i, 0, arguments.width) {
    store(output[i], ROUNDED(T, to_float(x[i]) * scale) * to_float(weight[i]));
  }
}

template <typename T>
HELPER const void* row_of(const void* matrix, i64 row, i64 width) {
  return (const T*)matrix + row * width;
}

KERNEL(finesift_rms_norm, RmsNormArguments) {
  SHARED float sums[THREADS];
  const void* const x = OF_KIND(row_of, arguments.kind, arguments.x, block, arguments.width);
  FOR_THREADS(thread) {
    sums[thread] = OF_KIND(sum_of_squares, arguments.kind, x, arguments.width, thread);
  }
  sum_of_block(sums);
  const float scale = 1 / sqrtf(sums[0] / arguments.width + arguments.eps);
  OF_KIND(normalize, arguments.kind, arguments, block, scale);
  FOR_THREADS(thread) {
    if (thread == 0) {
      arguments.scales[block] = scale;
    }
  }
}

// The part of the gradient that comes by way of the row's scale: Σ dy·w·x.
template <typename T>
HELPER float sum_of_products(const RmsNormArguments& arguments, i64 block, int thread) {
  const T* const x = (const T*)arguments.x + block * arguments.width;
  const T* const gradient = (const T*)arguments.gradient + block * arguments.width;
  const T* const weight = (const T*)arguments.weight;
  float sum = 0;
  for (i64 i = thread; i < arguments.width; i += THREADS) {
    sum += ROUNDED(T, to_float(gradient[i]) * to_float(weight[i])) * to_float(x[i]);
  }
  return sum;
}

template <typename T>
HELPER void differentiate(const RmsNormArguments& arguments, i64 block, float scale, float mean) {
  const T* const x = (const T*)arguments.x + block * arguments.width;
  const T* const gradient = (const T*)arguments.gradient + block * arguments.width;
  const T* const weight = (const T*)arguments.weight;
  T* const output = (T*)arguments.output + block * arguments.width;
  FOR_EACH(i, 0, arguments.width) {
    const float direct = ROUNDED(T, to_float(gradient[i]) * to_float(weight[i]));
    store(output[i], scale * (direct - to_float(x[i]) * (scale * scale * mean)));
  }
}

KERNEL(finesift_rms_norm_backward, RmsNormArguments) {
  SHARED float sums[THREADS];
  FOR_THREADS(thread) {
    sums[thread] = OF_KIND(sum_of_products, arguments.kind, arguments, block, thread);
  }
  sum_of_block(sums);
  OF_KIND(differentiate, arguments.kind, arguments, block, arguments.scales[block], sums[0] / arguments.width);
}

// ---- silu(gate)·up

struct SwiGluArguments {
  const void* gate;
  const void* up;
  // Its gradient is read and the gradients of gate and up are written in the backward pass.
  const void* gradient;
  void* output;
  void* of_up;
  i64 count;
  int kind;
  int unused;
};

template <typename T>
HELPER void gate_chunk(const SwiGluArguments& arguments, i64 begin, i64 end) {
  const T *const gate = (const T*)arguments.gate, *const up = (const T*)arguments.up;
  T* const output = (T*)arguments.output;
  FOR_EACH(i, begin, end) {
    const float x = to_float(gate[i]);
    store(output[i], ROUNDED(T, x / (1 + exponential(-x))) * to_float(up[i]));
  }
}

KERNEL(finesift_swiglu, SwiGluArguments) {
  const i64 begin = block * CHUNK;
  OF_KIND(gate_chunk, arguments.kind, arguments, begin, smaller(begin + CHUNK, arguments.count));
}

template <typename T>
HELPER void gate_chunk_backward(const SwiGluArguments& arguments, i64 begin, i64 end) {
  const T *const gate = (const T*)arguments.gate, *const up = (const T*)arguments.up;
  const T* const gradient = (const T*)arguments.gradient;
  // They may be gate and up.
  T *const of_gate = (T*)arguments.output, *const of_up = (T*)arguments.of_up;
  FOR_EACH(i, begin, end) {
    const float x = to_float(gate[i]), dy = to_float(gradient[i]);
    const float sigmoid = 1 / (1 + exponential(-x));
    const float silu = ROUNDED(T, x / (1 + exponential(-x))), through = ROUNDED(T, dy * to_float(up[i]));
    store(of_up[i], dy * silu);
    store(of_gate[i], through * sigmoid * (1 + x * (1 - sigmoid)));
  }
}

KERNEL(finesift_swiglu_backward, SwiGluArguments) {
  const i64 begin = block * CHUNK;
  OF_KIND(gate_chunk_backward, arguments.kind, arguments, begin, smaller(begin + CHUNK, arguments.count));
}

// ---- dropout, by Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): the masks of kernels/dropout.rs

struct DropoutArguments {
  const void* x;
  void* output;
  // The number of each row of the batch, if they do not follow each other.
  const i64* of_rows;
  // A row of `x` is numbered by its row of the batch, each of which has `length` of them.
  i64 length;
  i64 stride;
  i64 first;
  i64 count;
  i64 width;
  unsigned long long seed;
  // An element is dropped where its random number is below.
  unsigned threshold;
  float scale;
  int kind;
  int unused;
};

// Elements of a row that share counters, and counters of them, each of which gives four numbers.
#define PART 64
#define LANES 16

struct Philox {
  unsigned words[4];
};

HELPER Philox philox(Philox counter, unsigned long long seed) {
  unsigned key[2] = {(unsigned)seed, (unsigned)(seed >> 32)};
  for (int round = 0; round < 10; ++round) {
    const unsigned long long a = 0xd2511f53ull * counter.words[0], c = 0xcd9e8d57ull * counter.words[2];
    counter = Philox{
      {(unsigned)(c >> 32) ^ counter.words[1] ^ key[0], (unsigned)c, (unsigned)(a >> 32) ^ counter.words[3] ^ key[1], (unsigned)a}};
    key[0] += 0x9e3779b9u;
    key[1] += 0xbb67ae85u;
  }
  return counter;
}

template <typename T>
HELPER void drop(const DropoutArguments& arguments, i64 unit) {
  const i64 parts = (arguments.width + PART - 1) / PART;
  const i64 row = unit / (parts * LANES), within = unit - row * parts * LANES, part = within / LANES, lane = within - part * LANES;
  if (row >= arguments.count / arguments.width) {
    return;
  }
  const i64 of_batch = row / arguments.length, place = row - of_batch * arguments.length;
  const i64 number = (arguments.of_rows ? arguments.of_rows[of_batch] : of_batch) * arguments.stride + place + arguments.first;
  const Philox numbers = philox(Philox{{(unsigned)within, (unsigned)number, (unsigned)(number >> 32), 0}}, arguments.seed);
  const T* const x = (const T*)arguments.x + row * arguments.width;
  T* const output = (T*)arguments.output + row * arguments.width;
  for (int word = 0; word < 4; ++word) {
    const i64 i = part * PART + word * LANES + lane;
    if (i < arguments.width) {
      store(output[i], to_float(x[i]) * (numbers.words[word] >= arguments.threshold ? arguments.scale : 0));
    }
  }
}

KERNEL(finesift_dropout, DropoutArguments) {
  FOR_THREADS(thread) {
    OF_KIND(drop, arguments.kind, arguments, block * THREADS + thread);
  }
}

// ---- rotary embeddings

struct RotaryArguments {
  // By token in memory: [tokens, heads, 2 · half].
  const void* x;
  // [tokens or length, half]
  const void* cosines;
  const void* sines;
  void* output;
  i64 pairs;
  i64 heads;
  i64 half;
  // Tokens that have angles of their own; those that follow have the same once more.
  i64 length;
  // 1, or -1 for the backward pass.
  float direction;
  int kind;
};

template <typename T>
HELPER void rotate_chunk(const RotaryArguments& arguments, i64 begin, i64 end) {
  const T* const x = (const T*)arguments.x;
  const T *const cosines = (const T*)arguments.cosines, *const sines = (const T*)arguments.sines;
  T* const output = (T*)arguments.output;
  FOR_EACH(pair, begin, end) {
    const i64 head = pair / arguments.half, i = pair - head * arguments.half;
    const i64 token = head / arguments.heads % arguments.length;
    const i64 first = head * 2 * arguments.half + i, second = first + arguments.half;
    const float a = to_float(x[first]), b = to_float(x[second]);
    const float cosine = to_float(cosines[token * arguments.half + i]);
    const float sine = arguments.direction * to_float(sines[token * arguments.half + i]);
    store(output[first], ROUNDED(T, a * cosine) - ROUNDED(T, b * sine));
    store(output[second], ROUNDED(T, b * cosine) + ROUNDED(T, a * sine));
  }
}

KERNEL(finesift_rotate, RotaryArguments) {
  const i64 begin = block * CHUNK;
  OF_KIND(rotate_chunk, arguments.kind, arguments, begin, smaller(begin + CHUNK, arguments.pairs));
}
