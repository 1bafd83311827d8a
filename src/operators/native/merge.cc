// Merges of the branches of MBB blocks, forward and backward.
#include <algorithm>

#include "pool.h"
#include "simd.h"
#include "tensors.h"

namespace bimlp {
namespace {

constexpr int kMaxBranches = 16;  // MAX_BRANCHES of ../maps.py

// Softmax over the branches of image b and channel c. logits: (branches C, B), branch i of channel c in row
// branches c + i.
void softmax(const float *logits, int64_t branches, int64_t images, int64_t c, int64_t b, float *weights) {
  float top = -INFINITY, sum = 0;
  for (int64_t i = 0; i < branches; ++i) top = std::max(top, logits[(branches * c + i) * images + b]);
  for (int64_t i = 0; i < branches; ++i) {
    weights[i] = std::exp(logits[(branches * c + i) * images + b] - top);
    sum += weights[i];
  }
  for (int64_t i = 0; i < branches; ++i) weights[i] /= sum;
}

}  // namespace

// Inputs: f_1 .. f_n (C, B, H, W). Output: the mean of their sum over H, W, (C, B, 1, 1).
OPERATOR(mean_of_sum) {
  const int inputs = t.count() - 1;
  float *out = t.get(inputs);
  const int64_t channels = t.dim(0, 0), images = t.dim(0, 1), area = t.size(0) / (channels * images);
  thread_pool().each(channels, [&](int64_t c) {
    for (int64_t m = c * images; m < (c + 1) * images; ++m) {
      Sum sum;
      for (int k = 0; k < inputs; ++k) {
        const float *map = t.get(k) + m * area;
        for_vectors(area, [&](auto tag, int64_t i) { sum.add(load<decltype(tag)>(map + i)); });
      }
      out[m] = sum.total() / area;
    }
  });
}

// Inputs d (C, B, 1, 1), the gradient of the mean, and g_1 .. g_n (C, B, H, W), those of the maps from their other
// reader; outputs the gradients of the maps, g_k + d / (H W).
OPERATOR(mean_of_sum_backward) {
  const int maps = (t.count() - 1) / 2;
  const float *d = t.get(0);
  const int64_t channels = t.dim(1, 0), images = t.dim(1, 1), area = t.size(1) / (channels * images);
  thread_pool().each(channels, [&](int64_t c) {
    for (int64_t m = c * images; m < (c + 1) * images; ++m) {
      const float share = d[m] / area;
      for (int k = 0; k < maps; ++k) {
        const float *g = t.get(1 + k) + m * area;
        float *out = t.get(1 + maps + k) + m * area;
        for_vectors(area, [&](auto tag, int64_t i) {
          using T = decltype(tag);
          store(out + i, load<T>(g + i) + splat<T>(share));
        });
      }
    }
  });
}

// Inputs: logits (n C, B, 1, 1), z, f_1 .. f_n. Output: z + sum_i softmax_i(logits) f_i.
OPERATOR(softmax_merge_forward) {
  const int64_t branches = t.count() - 3;
  const float *logits = t.get(0), *z = t.get(1);
  float *out = t.get(t.count() - 1);
  const int64_t channels = t.dim(1, 0), images = t.dim(1, 1), area = t.size(1) / (channels * images);
  thread_pool().each(channels, [&](int64_t c) {
    float weights[kMaxBranches];
    for (int64_t b = 0; b < images; ++b) {
      softmax(logits, branches, images, c, b, weights);
      const int64_t start = (c * images + b) * area;
      const float *maps[kMaxBranches];
      for (int64_t k = 0; k < branches; ++k) maps[k] = t.get(2 + k) + start;
      for_vectors(area, [&](auto tag, int64_t i) {
        using T = decltype(tag);
        T sum = load<T>(z + start + i);
        for (int64_t k = 0; k < branches; ++k) sum += weights[k] * load<T>(maps[k] + i);
        store(out + start + i, sum);
      });
    }
  });
}

// Inputs: dout, logits, f_1 .. f_n. Outputs: dlogits, df_1 .. df_n. (dz is dout.)
OPERATOR(softmax_merge_backward) {
  const int64_t branches = (t.count() - 3) / 2;
  const float *dout = t.get(0), *logits = t.get(1);
  const int outputs = 2 + branches;
  float *dlogits = t.get(outputs);
  const int64_t channels = t.dim(0, 0), images = t.dim(0, 1), area = t.size(0) / (channels * images);
  thread_pool().each(channels, [&](int64_t c) {
    float weights[kMaxBranches], inner[kMaxBranches];
    for (int64_t b = 0; b < images; ++b) {
      softmax(logits, branches, images, c, b, weights);
      const int64_t start = (c * images + b) * area;
      float mean = 0;
      for (int64_t k = 0; k < branches; ++k) {
        const float *map = t.get(2 + k) + start;
        float *dmap = t.get(outputs + 1 + k) + start;
        Sum sum;
        for_vectors(area, [&](auto tag, int64_t i) {
          using T = decltype(tag);
          T d = load<T>(dout + start + i);
          sum.add(d * load<T>(map + i));
          store(dmap + i, weights[k] * d);
        });
        inner[k] = sum.total();
        mean += weights[k] * inner[k];
      }
      for (int64_t k = 0; k < branches; ++k) dlogits[(branches * c + k) * images + b] = weights[k] * (inner[k] - mean);
    }
  });
}

// Inputs: w (n - 1), f_1 .. f_n. Outputs: sum_{i < n} w_i f_i + (1 - sum_{i < n} w_i) f_n, and a copy of w.
OPERATOR(scalar_merge_forward) {
  const int branches = t.count() - 3;
  const float *w = t.get(0);
  float *out = t.get(t.count() - 2);
  std::copy(w, w + branches - 1, t.get(t.count() - 1));
  const int64_t channels = t.dim(1, 0), n = t.size(1) / channels;
  thread_pool().each(channels, [&](int64_t c) {
    const float *last = t.get(branches) + c * n;
    for_vectors(n, [&](auto tag, int64_t i) {
      using T = decltype(tag);
      T base = load<T>(last + i), sum = base;
      for (int k = 0; k < branches - 1; ++k) sum += w[k] * (load<T>(t.get(1 + k) + c * n + i) - base);
      store(out + c * n + i, sum);
    });
  });
}

// Inputs: dout, w, f_1 .. f_n. Outputs: each channel's part of dw (C, n - 1), df_1 .. df_n.
OPERATOR(scalar_merge_backward) {
  const int branches = (t.count() - 3) / 2;
  const float *dout = t.get(0), *w = t.get(1);
  const int outputs = 2 + branches;
  const int64_t channels = t.dim(0, 0), n = t.size(0) / channels;
  float rest = 1;
  for (int k = 0; k < branches - 1; ++k) rest -= w[k];
  thread_pool().each(channels, [&](int64_t c) {
    const float *last = t.get(1 + branches) + c * n, *d = dout + c * n;
    for (int k = 0; k < branches; ++k) {
      const float factor = k < branches - 1 ? w[k] : rest, *map = t.get(2 + k) + c * n;
      float *dmap = t.get(outputs + 1 + k) + c * n;
      Sum sum;
      for_vectors(n, [&](auto tag, int64_t i) {
        using T = decltype(tag);
        T g = load<T>(d + i);
        sum.add(g * (load<T>(map + i) - load<T>(last + i)));
        store(dmap + i, factor * g);
      });
      if (k < branches - 1) t.get(outputs)[c * (branches - 1) + k] = sum.total();
    }
  });
}

}  // namespace bimlp
