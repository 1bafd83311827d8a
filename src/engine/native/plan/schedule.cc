#include "schedule.h"

#include <algorithm>
#include <map>
#include <set>

#include "steps.h"

namespace bimlp {
namespace {

using Level = Action::Level;

// Numbers of the rows of a value in a tile, so that they stay in the L1 cache; with a matrix unit, in the L2 cache, for
// it makes a tile of weights anew for each tile.
constexpr int kTileNumbers = 4096, kManyNumbers = 32768;

// f(operand) for each operand of an instruction that names a value.
template <class F>
void each_operand(Instruction &i, F f) {
  const auto visit = [&](Operand &o) {
    if (o.where != Where::kConstant) f(o);
  };
  for (Operand *o : {&i.in, &i.out, &i.source, &i.amplitude, &i.sink.out, &i.sink.a, &i.sink.b}) visit(*o);
  for (int k = 0; k < i.terms.count; ++k) {
    visit(i.terms.value[k]);
    visit(i.terms.scale[k]);
  }
}

bool overlaps(const std::vector<int> &values, const std::set<int> &set) {
  return std::any_of(values.begin(), values.end(), [&](int v) { return set.count(v) != 0; });
}

// Use of a value by an action, numbered in the order of the groups.
struct Use {
  int step, action;
  Level level;
};

class Scheduler {
 public:
  Scheduler(const std::vector<Value> &values, int keep, int output, Program &program)
      : values_(values), keep_(keep), output_(output), program_(program) {}

  void run(std::vector<Group> groups) {
    for (Group &group : groups) add(group);
    close();
    find_uses();
    find_tiles();
    merge_in_place();
    place_values();
    program_.steps.reserve(steps_.size());
    for (size_t s = 0; s < steps_.size(); ++s) {
      emit(s);
      steps_[s] = {};  // a file may have many
    }
    program_.image = place_[root(keep_)];
    program_.logits = place_[root(output_)];
  }

 private:
  struct Step {
    int height, width;
    std::vector<Action> tiles, rows;  // of a sweep
    std::vector<Action> single;       // or one action
  };

  void add(Group &group) {
    if (group.actions.front().level == Level::kStep) {
      close();
      steps_.push_back({group.height, group.width, {}, {}, {std::move(group.actions.front())}});
      return;
    }
    const bool same = open_ && steps_.back().height == group.height && steps_.back().width == group.width;
    bool fits = same;
    for (const Action &a : group.actions) {
      fits &= a.level != Level::kTile || !overlaps(a.reads, written_by_rows_);
      fits &= !overlaps(a.reads, written_whole_);
    }
    // a sum may as well run on rows
    if (same && !fits && group.actions.size() == 1 && is_sum(group.actions[0])) {
      group.actions[0].level = Level::kRow;
      fits = true;
    }
    if (!fits) {
      close();
      open_ = true;
      steps_.push_back({group.height, group.width, {}, {}, {}});
    }
    place_planes(group);
    for (Action &a : group.actions) {
      if (a.level == Level::kRow) written_by_rows_.insert(a.writes.begin(), a.writes.end());
      for (int v : a.writes) {
        if (values_[v].is_whole) written_whole_.insert(v);
      }
      (a.level == Level::kRow ? steps_.back().rows : steps_.back().tiles).push_back(std::move(a));
    }
  }

  static bool is_sum(const Action &a) { return a.instruction.kind == OpKind::kSums && a.instruction.terms.count > 0; }

  void close() {
    open_ = false;
    written_by_rows_.clear();
    written_whole_.clear();
    used_planes_.clear();
  }

  // Gives the group's planes numbers of maps of bits, of which a sweep uses each once.
  void place_planes(Group &group) {
    std::map<int, int> found;
    for (Action &a : group.actions) {
      Instruction &i = a.instruction;
      if (!i.padded_index && !i.local.weight) continue;
      const Plane shape = {group.height, group.width, kLanes * i.blocks};
      for (int &plane : i.plane) {
        const auto [at, is_new] = found.emplace(plane, 0);
        if (is_new) at->second = next_plane(shape);
        plane = at->second;
      }
    }
  }

  int next_plane(const Plane &shape) {
    int &used = used_planes_[{shape.height, shape.width, shape.slots}];
    int seen = 0;
    for (size_t p = 0; p < program_.planes.size(); ++p) {
      const Plane &other = program_.planes[p];
      if (other.height != shape.height || other.width != shape.width || other.slots != shape.slots) continue;
      if (seen++ == used) {
        ++used;
        return static_cast<int>(p);
      }
    }
    ++used;
    program_.planes.push_back(shape);
    return static_cast<int>(program_.planes.size()) - 1;
  }

  template <class F>
  void each_action(F f) {
    for (size_t s = 0; s < steps_.size(); ++s) {
      for (auto *list : {&steps_[s].tiles, &steps_[s].rows, &steps_[s].single}) {
        for (Action &a : *list) f(static_cast<int>(s), a);
      }
    }
  }

  void find_uses() {
    reads_.resize(values_.size());
    writes_.resize(values_.size());
    int number = 0;
    each_action([&](int step, Action &a) {
      for (int v : a.reads) reads_[v].push_back({step, number, a.level});
      for (int v : a.writes) writes_[v].push_back({step, number, a.level});
      ++number;
    });
  }

  void find_tiles() {
    tile_.resize(values_.size());
    for (size_t v = 0; v < values_.size(); ++v) {
      if (static_cast<int>(v) == keep_ || static_cast<int>(v) == output_ || writes_[v].empty()) continue;
      if (values_[v].is_whole) continue;
      const int step = writes_[v].front().step;
      const auto local = [=](const Use &u) { return u.step == step && u.level == Level::kTile; };
      tile_[v] = std::all_of(reads_[v].begin(), reads_[v].end(), local) &&
                 std::all_of(writes_[v].begin(), writes_[v].end(), local);
    }
  }

  // Values take the place of one that is not read any more: at each position all that a sweep does there has an order.
  void merge_in_place() {
    parent_.resize(values_.size());
    for (size_t v = 0; v < parent_.size(); ++v) parent_[v] = static_cast<int>(v);
    std::vector<int> owner = parent_;                     // last value at the place of a root
    std::vector<std::vector<int>> ending(steps_.size());  // values that a step reads last
    for (size_t v = 0; v < values_.size(); ++v) {
      if (is_map(static_cast<int>(v)) && !reads_[v].empty()) ending[last_read(v).step].push_back(static_cast<int>(v));
    }
    int number = 0;
    each_action([&](int step, Action &a) {
      const int action = number++;
      if (a.level == Level::kStep || a.writes.empty()) return;
      const int to = a.writes.back();
      if (!is_map(to) || writes_[to].size() > 1) return;
      for (int v : ending[step]) {
        if (!same_size(v, to) || owner[root(v)] != v || !free_for(v, step, action, a)) continue;
        parent_[to] = root(v);
        owner[root(v)] = to;
        return;
      }
    });
  }

  bool is_map(int v) const {
    if (v == keep_ || v == output_ || tile_[v] || values_[v].is_whole) return false;
    return !writes_[v].empty() && values_[v].height * values_[v].width > 1;
  }
  bool same_size(int a, int b) const {
    return values_[a].stride == values_[b].stride && values_[a].height == values_[b].height &&
           values_[a].width == values_[b].width;
  }
  Use last_read(int v) const {
    return *std::max_element(reads_[v].begin(), reads_[v].end(),
                             [](const Use &a, const Use &b) { return a.action < b.action; });
  }
  // Whether nothing at a position reads a value when an action writes there: the action itself may read it in place.
  bool free_for(int v, int step, int action, const Action &a) const {
    const bool in_place = std::find(a.in_place.begin(), a.in_place.end(), v) != a.in_place.end();
    return std::all_of(reads_[v].begin(), reads_[v].end(),
                       [&](const Use &u) {
                         if (u.step == step && u.level == Level::kRow && a.level == Level::kTile) return false;
                         return u.action < action || (u.action == action && in_place);
                       }) &&
           std::all_of(writes_[v].begin(), writes_[v].end(), [&](const Use &u) { return u.action < action; });
  }

  int root(int v) const {
    while (parent_[v] != v) v = parent_[v];
    return v;
  }

  void place_values() {
    std::vector<Lifetime> lives(values_.size(), {0, steps_.size(), 0});
    for (size_t v = 0; v < values_.size(); ++v) {
      if (tile_[v]) continue;
      Lifetime &life = lives[root(static_cast<int>(v))];
      const auto extend = [&](size_t step) {
        life.first = std::min(life.first, step);
        life.last = std::max(life.last, step);
      };
      for (const Use &u : reads_[v]) extend(u.step);
      for (const Use &u : writes_[v]) extend(u.step);
      const Value &value = values_[v];
      const bool used = !reads_[v].empty() || !writes_[v].empty();
      if (used) life.size = size_t(value.height) * value.width * value.stride;
      if (static_cast<int>(v) == keep_) extend(0), extend(steps_.size());
      if (static_cast<int>(v) == output_) extend(steps_.size());
    }
    place_ = places_of(lives, program_.arena);
  }

  // Positions of a sweep's tile: so many that rows of its values fit into the cache.
  int tile_size(const Step &step) const {
    int stride = kLanes;
    bool tiles = false;
    for (const Action &a : step.tiles) {
      tiles |= a.instruction.window.tiles.sign != nullptr;
      for (int v : a.writes) {
        if (values_[v].is_width) stride = std::max(stride, values_[v].stride);
      }
    }
    return tiles ? std::clamp(kManyNumbers / stride / 8 * 8, 64, 1024)
                 : std::clamp(kTileNumbers / stride / 8 * 8, 8, 64);
  }

  std::vector<size_t> tile_places(const Step &step, int tile) {
    std::map<int, Lifetime> lives;
    for (size_t n = 0; n < step.tiles.size(); ++n) {
      const auto use = [&](int v) {
        if (!tile_[v]) return;
        auto [at, is_new] = lives.emplace(v, Lifetime{size_t(values_[v].stride) * tile, n, n});
        at->second.last = n;
      };
      for (int v : step.tiles[n].reads) use(v);
      for (int v : step.tiles[n].writes) use(v);
    }
    std::vector<Lifetime> list;
    for (const auto &[v, life] : lives) list.push_back(life);
    const std::vector<size_t> found = places_of(list, program_.tile);
    std::vector<size_t> places(values_.size());
    size_t n = 0;
    for (const auto &[v, life] : lives) places[v] = found[n++];
    return places;
  }

  void resolve(Instruction &i, const std::vector<size_t> &tile_places) {
    each_operand(i, [&](Operand &o) {
      const int v = static_cast<int>(o.place);
      const Value &value = values_[v];
      if (tile_[v]) {
        o = Operand::at(Where::kTile, o.stride, tile_places[v]);
      } else {
        const bool vector = value.height == 1 && value.width == 1;
        o = Operand::at(vector ? Where::kVector : Where::kMap, vector ? 0 : o.stride, place_[root(v)]);
      }
    });
  }

  void emit(size_t s) {
    Step &step = steps_[s];
    if (!step.single.empty()) {
      ProgramStep out = std::move(step.single[0].step);
      out.instruction = step.single[0].instruction;
      resolve(out.instruction, {});
      out.sweep.height = step.height;
      out.sweep.width = step.width;
      out.from = out.kind == ProgramStep::Kind::kMean ? place_[root(static_cast<int>(out.from))] : 0;
      out.to = out.kind == ProgramStep::Kind::kMean ? place_[root(static_cast<int>(out.to))] : 0;
      if (out.kind == ProgramStep::Kind::kPlain) {
        for (size_t &v : out.plain.in) v = place_[root(static_cast<int>(v))];
        out.plain.out = place_[root(static_cast<int>(out.plain.out))];
      }
      program_.steps.push_back(std::move(out));
      return;
    }
    ProgramStep out = {};
    out.kind = ProgramStep::Kind::kSweep;
    out.sweep.height = step.height;
    out.sweep.width = step.width;
    out.sweep.tile = tile_size(step);
    for (const Action &a : step.tiles) {
      for (int v : a.reads) out.sweep.by_rows |= values_[v].is_whole;
    }
    const std::vector<size_t> places = tile_places(step, out.sweep.tile);
    for (auto [from, to] :
         {std::make_pair(&step.tiles, &out.sweep.tiles), std::make_pair(&step.rows, &out.sweep.rows)}) {
      for (Action &a : *from) {
        resolve(a.instruction, places);
        to->push_back(a.instruction);
      }
    }
    program_.steps.push_back(std::move(out));
  }

  const std::vector<Value> &values_;
  const int keep_, output_;
  Program &program_;
  std::vector<Step> steps_;
  bool open_ = false;
  std::set<int> written_by_rows_, written_whole_;  // values of the open sweep
  std::map<std::tuple<int, int, int>, int> used_planes_;
  std::vector<std::vector<Use>> reads_, writes_;  // by value
  std::vector<char> tile_;
  std::vector<int> parent_;
  std::vector<size_t> place_;
};

}  // namespace

void schedule(std::vector<Group> groups, const std::vector<Value> &values, int keep, int output, Program &program) {
  Scheduler(values, keep, output, program).run(std::move(groups));
}

}  // namespace bimlp
