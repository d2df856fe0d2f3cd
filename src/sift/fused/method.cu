// Kernels of the method: each does for all targets at once what tensor operations do one target after the other, in the same
// arithmetic.

#include "portable.h"

// Types of elements.
enum Kind { KIND_F32 = 0, KIND_BF16 = 1 };

// Gradients of a launch, which are part of its arguments.
#define GRADIENTS 48

// Where the trained components of a parameter are: component i of its range of the flat vectors is the element of the parameter at
// indices[i], or at (row · width + column) with row = rows[i / across] and column = columns[i % across]; without a list, at itself.
struct Places {
  const int* indices;
  const i64* wide_indices;
  const i64* rows;
  const i64* columns;
  i64 across;
  i64 width;
};

HELPER i64 place(const Places& places, i64 i) {
  if (places.indices) {
    return places.indices[i];
  }
  if (places.wide_indices) {
    return places.wide_indices[i];
  }
  if (!places.rows && !places.columns) {
    return i;
  }
  const unsigned row = (unsigned)i / (unsigned)places.across, column = (unsigned)i % (unsigned)places.across;
  return (places.rows ? places.rows[row] : row) * places.width + (places.columns ? places.columns[column] : column);
}

enum Decay { DECAY_NONE = 0, DECAY_SPARSE = 1, DECAY_DENSE = 2 };

// A trained parameter, and its range of the flat vectors.
struct Slot {
  i64 start;
  i64 end;
  void* weights;
  Places places;
  int kind;
  int decay;
};

// ---- gradients into the flat vector

// A gradient in its parameter's shape; or that of the trained components alone, in their order.
struct Gradient {
  const void* values;
  int kind;
  int is_whole;
  int slot;
  // Of the blocks of the launch, its first.
  int first_block;
};

struct GatherArguments {
  const Slot* slots;
  void* sums;
  int sums_kind;
  int count;
  Gradient gradients[GRADIENTS];
};

template <typename Sum, typename Value>
HELPER void add_range(Sum* sums, const Value* values, const Places& places, bool is_whole, i64 begin, i64 end) {
  FOR_EACH(i, begin, end) {
    Sum value;
    store(value, to_float(values[is_whole ? place(places, i) : i]));
    store(sums[i], to_float(sums[i]) + to_float(value));
  }
}

template <typename Sum>
HELPER void add_gradient(Sum* sums, const Gradient& gradient, const Places& places, i64 begin, i64 end) {
  if (gradient.kind == KIND_F32) {
    add_range(sums, (const float*)gradient.values, places, gradient.is_whole, begin, end);
  } else {
    add_range(sums, (const bf16*)gradient.values, places, gradient.is_whole, begin, end);
  }
}

// Adds each gradient, at the trained components of its slot, to their part of the flat vector.
KERNEL(finesift_gather, GatherArguments) {
  int number = 0;
  while (number + 1 < arguments.count && arguments.gradients[number + 1].first_block <= block) {
    ++number;
  }
  const Gradient& gradient = arguments.gradients[number];
  const Slot& slot = arguments.slots[gradient.slot];
  const i64 begin = (block - gradient.first_block) * CHUNK;
  const i64 end = smaller(begin + CHUNK, slot.end - slot.start);
  if (arguments.sums_kind == KIND_F32) {
    add_gradient((float*)arguments.sums + slot.start, gradient, slot.places, begin, end);
  } else {
    add_gradient((bf16*)arguments.sums + slot.start, gradient, slot.places, begin, end);
  }
}

// ---- gradients of biases

// dy `[tokens, stride]`, of whose columns the bias has one each.
struct BiasGradient {
  const void* dy;
  i64 tokens;
  i64 stride;
  int kind;
  int slot;
  int first_block;
  int unused;
};

struct BiasArguments {
  const Slot* slots;
  void* sums;
  int sums_kind;
  int count;
  BiasGradient gradients[GRADIENTS];
};

template <typename Value>
HELPER float sum_of_column(const Value* dy, i64 tokens, i64 stride, int thread) {
  float sum = 0;
  for (i64 token = thread; token < tokens; token += THREADS) {
    sum += to_float(dy[token * stride]);
  }
  return sum;
}

// Adds the sum over all tokens of a column of dy to its component. A block has a component.
KERNEL(finesift_bias_gradients, BiasArguments) {
  SHARED float sums[THREADS];
  int number = 0;
  while (number + 1 < arguments.count && arguments.gradients[number + 1].first_block <= block) {
    ++number;
  }
  const BiasGradient& gradient = arguments.gradients[number];
  const Slot& slot = arguments.slots[gradient.slot];
  const i64 component = block - gradient.first_block;
  const i64 column = place(slot.places, component);
  FOR_THREADS(thread) {
    sums[thread] = gradient.kind == KIND_F32
        ? sum_of_column((const float*)gradient.dy + column, gradient.tokens, gradient.stride, thread)
        : sum_of_column((const bf16*)gradient.dy + column, gradient.tokens, gradient.stride, thread);
  }
  sum_of_block(sums);
  FOR_THREADS(thread) {
    if (thread == 0) {
      if (arguments.sums_kind == KIND_F32) {
        ((float*)arguments.sums)[slot.start + component] += sums[0];
      } else {
        bf16* const sum = (bf16*)arguments.sums + slot.start + component;
        bf16 value;
        store(value, sums[0]);
        store(*sum, to_float(*sum) + to_float(value));
      }
    }
  }
}

// ---- gradient mass

// Blocks that a gradient's squares are summed in.
#define PARTS 64

struct SquaresArguments {
  const Slot* slots;
  // [count, 2, PARTS]: of the trained components, and of all.
  float* sums;
  int count;
  int unused;
  // Whole ones.
  Gradient gradients[GRADIENTS];
  i64 components[GRADIENTS];
};

template <typename Value>
HELPER float sum_of_squares(const Value* values, const Places* places, i64 begin, i64 end, int thread) {
  float sum = 0;
  for (i64 i = begin + thread; i < end; i += THREADS) {
    const float value = to_float(values[places ? place(*places, i) : i]);
    sum += value * value;
  }
  return sum;
}

// Sums the squares of the trained components and of all components of each gradient, in parts.
KERNEL(finesift_squares, SquaresArguments) {
  SHARED float sums[THREADS];
  const int number = (int)(block / (2 * PARTS)), part = (int)(block % PARTS);
  const bool is_all = block / PARTS % 2;
  const Gradient& gradient = arguments.gradients[number];
  const Slot& slot = arguments.slots[gradient.slot];
  const i64 count = is_all ? arguments.components[number] : slot.end - slot.start;
  const i64 begin = count * part / PARTS, end = count * (part + 1) / PARTS;
  const Places* const places = is_all ? nullptr : &slot.places;
  FOR_THREADS(thread) {
    sums[thread] = gradient.kind == KIND_F32
        ? sum_of_squares((const float*)gradient.values, places, begin, end, thread)
        : sum_of_squares((const bf16*)gradient.values, places, begin, end, thread);
  }
  sum_of_block(sums);
  FOR_THREADS(thread) {
    if (thread == 0) {
      arguments.sums[block] = sums[0];
    }
  }
}

// ---- the optimizer's step

struct UpdateArguments {
  const Slot* slots;
  i64 total;
  float* master;
  float* first_moment;
  float* second_moment;
  const void* gradient;
  // Of the sparse slots.
  const void* pretrained;
  // Updates before each component was selected; null while all were selected at the start.
  const int* births;
  // What only the device knows: the gradient's factor, and whether to do anything.
  const float* scale;
  const bool* apply;
  i64 updates;
  int slot_count;
  int gradient_kind;
  int pretrained_kind;
  float learning_rate;
  // 1 - beta of the first moment; of the second, beta and 1 - beta.
  float first_share;
  float second_kept;
  float second_share;
  float eps;
  // Without births: the learning rate over the first moment's bias correction, and the root of the second's.
  float rate;
  float correction;
  // Natural logarithms of the betas.
  float first_log;
  float second_log;
  // Times the learning rate.
  float sparse_decay;
  float dense_decay;
};

HELPER float interpolated(float from, float to, float share) {
  return share < 0.5f ? from + share * (to - from) : to - (to - from) * (1 - share);
}

template <typename Gradient, typename Weight>
HELPER void update_range(const UpdateArguments& arguments, const Slot& slot, i64 begin, i64 end) {
  const Gradient* const gradients = (const Gradient*)arguments.gradient;
  Weight* const weights = (Weight*)slot.weights;
  const float scale = *arguments.scale;
  FOR_EACH(i, begin, end) {
    float master = arguments.master[i];
    if (slot.decay == DECAY_SPARSE && arguments.sparse_decay != 0) {
      const float pretrained = arguments.pretrained_kind == KIND_F32 ? ((const float*)arguments.pretrained)[i]
                                                                     : to_float(((const bf16*)arguments.pretrained)[i]);
      master = interpolated(master, pretrained, arguments.sparse_decay);
    } else if (slot.decay == DECAY_DENSE && arguments.dense_decay != 0) {
      master *= 1 - arguments.dense_decay;
    }
    const float gradient = to_float(gradients[i]) * scale;
    const float m = interpolated(arguments.first_moment[i], gradient, arguments.first_share);
    const float v = arguments.second_moment[i] * arguments.second_kept + gradient * gradient * arguments.second_share;
    if (arguments.births) {
      const float age = (float)(arguments.updates - arguments.births[i]);
      const float first = -expm1f(age * arguments.first_log), second = -expm1f(age * arguments.second_log);
      master -= m / first / (sqrtf(v / second) + arguments.eps) * arguments.learning_rate;
    } else {
      master -= m / (sqrtf(v) / arguments.correction + arguments.eps) * arguments.rate;
    }
    arguments.first_moment[i] = m;
    arguments.second_moment[i] = v;
    arguments.master[i] = master;
    // None of a parameter that is off the device.
    if (weights) {
      store(weights[place(slot.places, i - slot.start)], master);
    }
  }
}

template <typename Gradient>
HELPER void update_slot(const UpdateArguments& arguments, const Slot& slot, i64 begin, i64 end) {
  if (slot.kind == KIND_F32) {
    update_range<Gradient, float>(arguments, slot, begin, end);
  } else {
    update_range<Gradient, bf16>(arguments, slot, begin, end);
  }
}

// Decay and AdamW of a part of the flat vectors, and the rounded master values back into the weights.
KERNEL(finesift_update, UpdateArguments) {
  if (!*arguments.apply) {
    return;
  }
  i64 begin = block * CHUNK;
  const i64 end = smaller(begin + CHUNK, arguments.total);
  // The last slot that starts at `begin` or before.
  int number = 0;
  for (int count = arguments.slot_count; count > 1;) {
    const int half = count / 2;
    if (arguments.slots[number + half].start <= begin) {
      number += half;
      count -= half;
    } else {
      count = half;
    }
  }
  for (; begin < end; ++number) {
    const Slot& slot = arguments.slots[number];
    const i64 stop = smaller(end, slot.end);
    if (arguments.gradient_kind == KIND_F32) {
      update_slot<float>(arguments, slot, begin, stop);
    } else {
      update_slot<bf16>(arguments, slot, begin, stop);
    }
    begin = stop;
  }
}
