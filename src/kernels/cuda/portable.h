// What a kernel in CUDA C is written with, so that two compilers take it: NVRTC for a GPU, where a block of threads runs it, and the
// host's, where a thread runs all of a block. Only built-in types, since NVRTC has no headers.

#pragma once

typedef long long i64;

#define THREADS 256

#ifdef __CUDACC__

// A kernel with arguments of one struct. `block` is the number of the block.
#define KERNEL(name, Arguments)                                                                                     \
  __device__ static void name##_block(const Arguments& arguments, i64 block);                                       \
  extern "C" __global__ void __launch_bounds__(THREADS) name(const __grid_constant__ Arguments arguments) {         \
    name##_block(arguments, (i64)blockIdx.x);                                                                       \
  }                                                                                                                 \
  __device__ static void name##_block(const Arguments& arguments, i64 block)
#define HELPER __device__ __forceinline__ static
// Memory of the block.
#define SHARED __shared__
// What follows is run by each thread of the block, with its number.
#define FOR_THREADS(thread) for (int thread = threadIdx.x, once_##thread = 1; once_##thread; once_##thread = 0)
// What follows is run for each i of a range, by any thread.
#define FOR_EACH(i, begin, end) for (i64 i = (begin) + threadIdx.x; i < (end); i += THREADS)
// All threads have done what stands before, and see what the others have written.
#define SYNCHRONIZE() __syncthreads()

HELPER float as_float(unsigned bits) {
  return __uint_as_float(bits);
}

HELPER unsigned as_bits(float x) {
  return __float_as_uint(x);
}

#else

#include <cmath>
#include <cstring>

#define KERNEL(name, Arguments) extern "C" void name(const Arguments& arguments, i64 block)
#define HELPER static inline
#define SHARED
#define FOR_THREADS(thread) for (int thread = 0; thread < THREADS; ++thread)
#define FOR_EACH(i, begin, end) for (i64 i = (begin); i < (end); ++i)
#define SYNCHRONIZE()

HELPER float as_float(unsigned bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

HELPER unsigned as_bits(float x) {
  unsigned bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

#endif

struct bf16 {
  unsigned short bits;
};

HELPER float to_float(float x) {
  return x;
}

HELPER float to_float(bf16 x) {
  return as_float((unsigned)x.bits << 16);
}

// Rounds to the nearest, ties to even.
HELPER void store(float& to, float x) {
  to = x;
}

HELPER void store(bf16& to, float x) {
  const unsigned bits = as_bits(x);
  const unsigned rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  to.bits = (unsigned short)(x != x ? 0x7fc0 : rounded);
}

// e to the power of x, within 2 units in the last place, between e^-87 and e^88. The compiler makes vectors of it.
HELPER float exponential(float x) {
  x = x > 88 ? 88 : x;
  x = x < -87 ? -87 : x;
  // x = k · ln 2 + r. Adding this number rounds to an integer, which is then in the last bits.
  const float integer = 12582912.0f, shifted = x * 1.44269504f + integer, k = shifted - integer;
  const float r = (x - k * 0.693359375f) + k * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1;
  return p * as_float((as_bits(shifted) - as_bits(integer) + 127) << 23);
}

// As many elements as a block takes of a long vector.
#define CHUNK 1024

HELPER i64 smaller(i64 a, i64 b) {
  return a < b ? a : b;
}

// The sum over the block of what each thread has put into `sums`, in an order that depends on nothing: in sums[0].
HELPER void sum_of_block(float* sums) {
  SYNCHRONIZE();
  for (int half = THREADS / 2; half > 0; half /= 2) {
    FOR_THREADS(thread) {
      if (thread < half) {
        sums[thread] += sums[thread + half];
      }
    }
    SYNCHRONIZE();
  }
}
