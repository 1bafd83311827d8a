// Table of the instructions for one instruction set.
#pragma once
#include "bits.h"
#include "layers.h"
#include "orders.h"
#include "sums.h"
#include "wave.h"
#include "windows.h"

namespace bimlp {

template <class V>
struct FusedOps {
  static Instructions table() {
    Instructions t = {};
    t.sum = Sums<V>::sum;
    t.sum_of_rows = Sums<V>::sum_of_rows;
    t.pack = Bits<V>::pack;
    t.pack_plane = Bits<V>::pack_plane;
    t.pack_rows = Bits<V>::pack_rows;
    t.paired = V::kPaired;
    t.tiles = V::kTiles;
    t.gather = Orders<V>::gather;
    t.group_mean = Orders<V>::group_mean;
    t.softmax = Orders<V>::softmax;
    t.dense_bits = LayerOps<V>::dense_bits;
    t.wave = Waves<V>::wave;
    t.full = WindowOps<V>::full;
    t.pools = WindowOps<V>::pools;
    fill<SinkKind::kStore>(t);
    fill<SinkKind::kAdd>(t);
    fill<SinkKind::kScale>(t);
    fill<SinkKind::kScaleAdd>(t);
    fill<SinkKind::kScaleAddTwo>(t);
    return t;
  }

  template <SinkKind kKind>
  static void fill(Instructions &t) {
    constexpr int k = static_cast<int>(kKind);
    t.dense[k] = LayerOps<V>::template dense<kKind>;
    t.window[k] = LayerOps<V>::template window<kKind>;
    t.local[k] = LayerOps<V>::template local<kKind, false>;
    t.local_affine[k] = LayerOps<V>::template local<kKind, true>;
  }
};

}  // namespace bimlp
