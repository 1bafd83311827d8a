// Operations that move channels: concat, slice, permute, group_mean; softmax over adjacent channels.
#pragma once
#include "kernels.h"
#include "transcendental.h"

namespace bimlp {

template <class V>
struct Channels {
  // f(row of the output, position) for each position of rows begin .. end - 1; padding is filled with zeros.
  template <class Row>
  static void each(const Step &s, float *out, int begin, int end, Row f) {
    const size_t first = static_cast<size_t>(begin) * s.out.width, last = static_cast<size_t>(end) * s.out.width;
    for (size_t p = first; p < last; ++p) {
      float *to = out + p * s.out.slots;
      f(to, p);
      for (int c = s.out.channels; c < s.out.slots; ++c) to[c] = 0.0f;
    }
  }

  static void concat(const Step &s, const float *const *in, float *out, int begin, int end, const OpScratch &) {
    each(s, out, begin, end, [&](float *to, size_t p) {
      int at = 0;
      for (int i = 0; i < s.inputs; ++i) {
        const float *from = in[i] + p * s.in[i].slots;
        const int channels = s.in[i].channels;
        if (at % kLanes == 0) {  // padding behind the last channel is there on both sides
          for (int c = 0; c < channels; c += kLanes) V::store(to + at + c, V::load(from + c));
        } else {
          for (int c = 0; c < channels; ++c) to[at + c] = from[c];
        }
        at += channels;
      }
    });
  }

  static void slice(const Step &s, const float *const *in, float *out, int begin, int end, const OpScratch &) {
    each(s, out, begin, end, [&](float *to, size_t p) {
      const float *from = in[0] + p * s.in[0].slots + s.start;
      for (int c = 0; c < s.out.channels; ++c) to[c] = from[static_cast<size_t>(c) * s.step];
    });
  }

  static void permute(const Step &s, const float *const *in, float *out, int begin, int end, const OpScratch &) {
    each(s, out, begin, end, [&](float *to, size_t p) {
      const float *from = in[0] + p * s.in[0].slots;
      for (int c = 0; c < s.out.channels; ++c) to[c] = from[s.order[c]];
    });
  }

  static void group_mean(const Step &s, const float *const *in, float *out, int begin, int end, const OpScratch &) {
    each(s, out, begin, end, [&](float *to, size_t p) {
      const float *from = in[0] + p * s.in[0].slots;
      for (int c = 0; c < s.out.channels; ++c) {
        float sum = 0;
        for (int i = 0; i < s.group; ++i) sum += from[c * s.group + i];
        to[c] = sum / static_cast<float>(s.group);
      }
    });
  }

  static void softmax(const Step &s, const float *const *in, float *out, int begin, int end, const OpScratch &) {
    each(s, out, begin, end, [&](float *to, size_t p) {
      const float *from = in[0] + p * s.in[0].slots;
      for (int first = 0; first < s.out.channels; first += s.group) {
        float largest = from[first];
        for (int i = 1; i < s.group; ++i) largest = from[first + i] > largest ? from[first + i] : largest;
        for (int i = 0; i < s.group; ++i) to[first + i] = from[first + i] - largest;
      }
      for (int c = s.out.channels; c < s.out.slots; ++c) to[c] = 0.0f;
      for (int at = 0; at < s.out.slots; at += kLanes)
        V::store(to + at, Transcendental<V>::exponential(V::load(to + at)));
      for (int first = 0; first < s.out.channels; first += s.group) {
        float sum = 0;
        for (int i = 0; i < s.group; ++i) sum += to[first + i];
        const float scale = 1.0f / sum;
        for (int i = 0; i < s.group; ++i) to[first + i] *= scale;
      }
    });
  }
};

}  // namespace bimlp
