#include "program_run.h"

#include <algorithm>

#include "../ops/tiles.h"
#include "../plan/steps.h"

namespace bimlp {

ProgramRun::ProgramRun(const Program &program, const OpKernels &kernels, int threads)
    : program_(program), kernels_(kernels), arena_(memory_.get<float>(program.arena)) {
  if (program.pixels) pixels_ = memory_.get<int8_t>(program.pixels);
  for (const Plane &p : program.planes) {
    const size_t positions = size_t(p.height + 2 * kMargin) * (p.width + 2 * kMargin);
    planes_.push_back(memory_.get<uint8_t>(positions * p.slots / 8));
  }
  for (int t = 0; t < threads; ++t) {
    tiles_.push_back(memory_.get<float>(program.tile));
    Scratch s = {};
    s.column = memory_.get<float>(program.column);
    for (auto &slice : s.slices) slice = memory_.get<uint8_t>(program.slices);
    s.counts = memory_.get<uint8_t>(8 * program.slices);
    s.tiles = memory_.get<int8_t>(kWeightBytes);
    s.digits = memory_.get<int8_t>(program.digits);
    s.scales = memory_.get<float>(kDigitPositions);
    s.sums = memory_.get<int32_t>(kSumsAtOnce);
    scratch_.push_back(s);
    op_scratch_.push_back({memory_.get<uint32_t>(program.bits)});
  }
}

Context ProgramRun::context(int worker) const {
  return {arena_, tiles_[worker], planes_.data(), &scratch_[worker], 0, 0, 0, 0, of_pixels_ ? pixels_ : nullptr};
}

const float *ProgramRun::run(Workers &workers, const Tracer &tracer) {
  for (const ProgramStep &step : program_.steps) {
    switch (step.kind) {
      case ProgramStep::Kind::kSweep: run_sweep(step.sweep, workers, tracer); break;
      case ProgramStep::Kind::kRows:
        tracer.enter(step.instruction.kind, step.instruction.blocks);
        run_rows(step, workers);
        break;
      case ProgramStep::Kind::kMean:
        tracer.enter(OpKind::kSums);
        run_mean(step);
        break;
      case ProgramStep::Kind::kPlain:
        tracer.enter(plain_kind(step.plain.step.op));
        run_plain(step.plain, workers);
        break;
    }
  }
  if (tracer.profile) tracer.profile->leave();
  return arena_ + program_.logits;
}

// Each worker sweeps its share of the rows band by band: `tiles` for a band, then `rows` for every row whose neighbours
// are done, while the band is still in the cache. Rows at the borders of shares follow when all workers are done.
void ProgramRun::run_sweep(const Sweep &sweep, Workers &workers, const Tracer &tracer) {
  const int rows = sweep.height, width = sweep.width, band = (sweep.tile + width - 1) / width;
  // one row more than the taps reach: kernels read whole registers, whose ends lie in the next row
  const auto complete = [=](int y, int begin, int end) {
    return std::max(y - kMargin, 0) >= begin && std::min(y + kMargin + 1, rows - 1) < end;
  };
  const auto run_row = [&](Context &c, int y) {
    c.first = y * width;
    c.count = c.width = width;
    c.y = y;
    for (const Instruction &i : sweep.rows) {
      tracer.enter(i.kind, i.blocks);
      i.run(i, c);
    }
  };
  if (rows * width == 1) {  // not worth the workers' start
    Context c = context(0);
    c.count = c.width = 1;
    for (const auto *part : {&sweep.tiles, &sweep.rows}) {
      for (const Instruction &i : *part) {
        tracer.enter(i.kind, i.blocks);
        i.run(i, c);
      }
    }
    return;
  }
  workers.each([&](int worker) {
    Context c = context(worker);
    const int begin = workers.begin(rows, worker), end = workers.begin(rows, worker + 1);
    int next = begin;
    for (int y = begin; y < end; y += band) {
      const int done = std::min(y + band, end);
      c.width = width;
      for (c.first = y * width; c.first < done * width; c.first += c.count) {
        c.y = c.first / width;
        const int whole = std::max(1, sweep.tile / width);  // rows of a tile
        const int last = std::min(sweep.by_rows ? c.y + whole : done, done) * width;
        c.count = std::min(sweep.tile, last - c.first);
        for (const Instruction &i : sweep.tiles) {
          tracer.enter(i.kind, i.blocks);
          i.run(i, c);
        }
      }
      if (sweep.rows.empty()) continue;
      for (; next < done && (next + kMargin + 1 < done || done == rows); ++next) {
        if (complete(next, begin, done)) run_row(c, next);
      }
    }
  });
  if (workers.size() == 1 || sweep.rows.empty()) return;
  workers.each([&](int worker) {
    Context c = context(worker);
    const int begin = workers.begin(rows, worker), end = workers.begin(rows, worker + 1);
    for (int y = begin; y < end; ++y) {
      if (!complete(y, begin, end)) run_row(c, y);
    }
  });
}

void ProgramRun::run_rows(const ProgramStep &step, Workers &workers) {
  const Instruction &i = step.instruction;
  const int rows = step.sweep.height, width = step.sweep.width;
  if (i.kernel[0] == 1 && i.kernel[1] == 1 && i.stride == 1) {  // positions do not depend on each other
    workers.each([&](int worker) {
      Context c = context(worker);
      c.first = workers.begin(rows * width, worker);
      c.count = workers.begin(rows * width, worker + 1) - c.first;
      i.run(i, c);
    });
    return;
  }
  workers.each([&](int worker) {
    Context c = context(worker);
    c.count = c.width = width;
    for (c.y = workers.begin(rows, worker); c.y < workers.begin(rows, worker + 1); ++c.y) {
      c.first = c.y * width;
      i.run(i, c);
    }
  });
}

void ProgramRun::run_mean(const ProgramStep &step) {
  const float *from = arena_ + step.from;
  float *to = arena_ + step.to;
  std::fill(to, to + step.slots, 0.0f);
  for (int y = 0; y < step.count; ++y) {
    for (int i = 0; i < step.slots; ++i) to[i] += from[size_t(y) * step.slots + i];
  }
  for (int i = 0; i < step.slots; ++i) to[i] *= 1.0f / static_cast<float>(step.positions);
}

void ProgramRun::run_plain(const PlainStep &plain, Workers &workers) {
  const float *in[64];
  for (size_t k = 0; k < plain.in.size(); ++k) in[k] = arena_ + plain.in[k];
  float *out = arena_ + plain.out;
  const Step &step = plain.step;
  const RunRows run = kernels_.rows[static_cast<uint32_t>(step.op)];
  const int rows = step.out.height;
  if (is_whole(step.op) || rows == 1) {
    run(step, in, out, 0, rows, op_scratch_[0]);
    return;
  }
  workers.each([&](int worker) {
    run(step, in, out, workers.begin(rows, worker), workers.begin(rows, worker + 1), op_scratch_[worker]);
  });
}

}  // namespace bimlp
