// Conversion of a packed network into the form that the kernels read.
#include <algorithm>
#include <map>

#include "layer_builder.h"
#include "network.h"

namespace bimlp {
namespace {

class Preparer {
 public:
  Preparer(const Packed &packed, const Kernels *kernels)
      : packed_(packed), network_(std::make_unique<Network>()), build_(network_->memory) {
    network_->kernels = kernels;
    network_->description = packed.description;
  }

  std::unique_ptr<Network> run() {
    const Description &d = packed_.description;
    ChannelOrder trunk = halves_order(d.widths[0]);
    network_->stem = build_.full_fc(packed_.stem, d.stem_kernel, identity_order(3 * d.stem_kernel, 1), trunk);
    for (size_t s = 0; s < d.widths.size(); ++s) {
      const ChannelOrder before = trunk;
      trunk = halves_order(d.widths[s]);
      if (s) network_->downsamples.push_back(build_.full_fc(packed_.downsamples[s - 1], 1, before, trunk));
      network_->stages.push_back(stage(packed_.stages[s], d.widths[s], d.sizes[s], trunk));
    }
    network_->head = build_.head(packed_, trunk);
    network_->layers = std::move(build_.inputs);
    return std::move(network_);
  }

 private:
  // Gather of the distinct blocks of `sources` (slots of a row, or -1). Appends the number of each block to `which`.
  Gather gather(const ChannelOrder &sources, int slots, std::vector<int32_t> &which) {
    std::map<ChannelOrder, int> found;
    ChannelOrder index, window;
    for (size_t b = 0; b < sources.size() / kLanes; ++b) {
      const ChannelOrder lanes(sources.begin() + b * kLanes, sources.begin() + (b + 1) * kLanes);
      const auto [at, is_new] = found.emplace(lanes, found.size());
      which.push_back(at->second);
      if (!is_new) continue;
      int low = slots, high = -1;
      for (int32_t s : lanes) {
        if (s >= 0) low = std::min(low, s), high = std::max(high, s);
      }
      low = low / kLanes * kLanes;
      // the kernel reads four blocks from the window on, which must lie in the row
      if (low + 4 * kLanes > slots) low = std::max(0, slots - 4 * kLanes);
      window.push_back(high - low < 4 * kLanes && low + 4 * kLanes <= slots ? low : -1);
      index.insert(index.end(), lanes.begin(), lanes.end());
    }
    return {static_cast<int>(window.size()), build_.copy(index), build_.copy(window)};
  }

  Stage stage(const std::vector<PackedBlock> &blocks, int channels, int size, const ChannelOrder &trunk) {
    Stage stage;
    stage.channels = channels;
    stage.blocks_of_channels = static_cast<int>(trunk.size()) / kLanes;
    stage.size = size;
    const ChannelOrder slot = slots_of_channels(trunk, channels), hidden = quarters_order(trunk),
                       phases = even_odd_order(trunk, channels);
    ChannelOrder phase_sources, hidden_sources, same, phase_shortcut, hidden_shortcut;
    for (int32_t c : phases) phase_sources.push_back(c < 0 ? -1 : slot[c]);
    for (int32_t c : hidden) hidden_sources.push_back(c < 0 ? -1 : slot[c % channels]);
    const int slots = static_cast<int>(trunk.size());
    stage.halves = gather(phase_sources, slots, phase_shortcut);
    stage.quarters = gather(hidden_sources, slots, hidden_shortcut);
    for (int b = 0; b < stage.blocks_of_channels; ++b) same.push_back(b);
    const int32_t *to_phase = build_.copy(phase_shortcut), *to_hidden = build_.copy(hidden_shortcut),
                  *to_same = build_.copy(same);

    ChannelOrder padded_index;
    for (int t = 0; t < size * size; ++t)
      padded_index.push_back((t / size + kMargin) * (size + 2 * kMargin) + t % size + kMargin);
    stage.padded_index = build_.copy(padded_index);

    for (const PackedBlock &from : blocks) {
      Block b;
      b.norm1_factor = build_.in_slots(from.norm1.factor, trunk);
      b.norm1_offset = build_.in_slots(from.norm1.offset, trunk);
      b.norm2_factor = build_.in_slots(from.norm2.factor, trunk);
      b.norm2_offset = build_.in_slots(from.norm2.offset, trunk);
      const std::vector<ChannelOrder> wave = {wave_input_order(trunk, 0), wave_input_order(trunk, 1)};
      for (size_t i = 0; i < from.spatial1.size(); ++i) {
        SpatialMLP mlp;
        mlp.phase = build_.binary_fc(from.spatial1[i].phase, trunk, phases, to_phase);
        mlp.amplitude = build_.binary_fc(from.spatial1[i].amplitude, trunk, phases, to_phase);
        mlp.mix = build_.local_fc(from.spatial1[i].mix, wave, trunk, i < from.spatial1.size() / 2, size);
        b.spatial1.push_back(mlp);
      }
      for (const auto &fc : from.channel1) b.channel1.push_back(build_.binary_fc(fc, trunk, trunk, to_same));
      reweight(from.reweight, trunk, channels, b);
      b.projection = build_.binary_fc(from.projection, trunk, trunk, to_same);
      for (size_t i = 0; i < from.spatial2.size(); ++i) {
        b.spatial2.push_back(build_.local_fc(from.spatial2[i], {trunk}, trunk, i < from.spatial2.size() / 2, size));
      }
      for (const auto &mlp : from.channel2) {
        BinaryFC first = build_.binary_fc(mlp.first, trunk, hidden, to_hidden);
        b.channel2.push_back({first, build_.binary_fc(mlp.second, hidden, trunk, to_same)});
      }
      double rest = 1;
      for (size_t i = 0; i < from.merge.size; ++i) {
        b.merge.push_back(from.merge.data[i]);
        rest -= from.merge.data[i];
      }
      b.merge.push_back(static_cast<float>(rest));
      stage.blocks.push_back(std::move(b));
    }
    return stage;
  }

  void reweight(const PackedMLP &from, const ChannelOrder &trunk, int channels, Block &b) {
    const int branches = static_cast<int>(b.spatial1.size() + b.channel1.size()), inner = channels / kRatio;
    const ChannelOrder hidden = identity_order(inner, 2 * kLanes), slot = slots_of_channels(trunk, channels);
    ChannelOrder out, in_row;
    for (int n = 0; n < branches; ++n) {
      for (int32_t c : trunk) out.push_back(c < 0 ? -1 : branches * c + n);
    }
    for (size_t i = 0; i < out.size() / kLanes; ++i) in_row.push_back(static_cast<int32_t>(i));
    const int32_t *to_row = build_.copy(in_row);
    b.reweight.first = build_.binary_fc(from.first, trunk, hidden, to_row);
    b.reweight.second = build_.binary_fc(from.second, hidden, out, to_row);
    for (int32_t c : hidden) {
      for (int i = 0; i < kRatio; ++i) b.reweight_first.push_back(c < 0 ? -1 : slot[kRatio * c + i]);
    }
    for (int32_t o : out) b.reweight_second.push_back(o < 0 ? -1 : o % inner);
  }

  const Packed &packed_;
  std::unique_ptr<Network> network_;
  LayerBuilder build_;
};

}  // namespace

std::unique_ptr<Network> prepare(const Packed &packed, const Kernels *kernels) {
  return Preparer(packed, kernels).run();
}

}  // namespace bimlp
