// Scheduling: groups of instructions in the order of the graph become sweeps and single steps, with places for their
// values.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "program.h"

namespace bimlp {

// Instruction, or step, in the making: operands have numbers of values as places.
struct Action {
  enum class Level { kTile, kRow, kStep } level;
  Instruction instruction;
  std::vector<int> reads, writes;  // values
  std::vector<int> in_place;       // those of `reads` whose numbers are read where `writes` is written, and not before
  ProgramStep step;                // kStep: a plain step has values as places
};

// Actions that belong to one sweep, or one action of level kStep.
struct Group {
  int height, width;
  std::vector<Action> actions;
};

// Value that instructions pass on. stride: numbers per position (a word of bits counts as one).
struct Value {
  int height, width, stride;
  bool is_width = true;   // whether its width counts for the size of tiles
  bool is_whole = false;  // whether its readers read all of it at any position
};

// Puts the steps into the program and their values into its arena and tiles. keep: value that lives through the whole
// run.
void schedule(std::vector<Group> groups, const std::vector<Value> &values, int keep, int output, Program &program);

}  // namespace bimlp
