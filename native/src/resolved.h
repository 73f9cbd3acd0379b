// A program with its sizes known: everything a run needs for one set of input shapes. Kept and reused.
#pragma once

#include <cstdint>
#include <vector>

#include "enginewright.h"
#include "model.h"

namespace ew {

// A stretch of steps as a graph of the device; it is made when the stretch runs for the second time.
struct StretchGraph {
    const ew_device *device = nullptr;
    void *graph = nullptr;
    bool warm = false;            // the steps ran once, so all that they prepare is there
    uint64_t memory_version = 0;  // of the pointers in the graph

    StretchGraph() = default;
    StretchGraph(StretchGraph &&other) noexcept { *this = std::move(other); }
    StretchGraph &operator=(StretchGraph &&other) noexcept;
    ~StretchGraph();
};

struct SegmentState {
    bool valid = false;
    uint64_t memory_version = 0;       // of the pointers in the args of its steps; 0: never filled in
    int64_t arena_bytes[2] = {0, 0};   // on the host, on the device
    std::vector<int64_t> laid_out[2];  // sizes of the blocks for which the offsets were found
    std::vector<StretchGraph> graphs;  // as Segment::stretches
};

struct Resolved {
    explicit Resolved(const Program &program, const ew_host *host);

    std::vector<int64_t> key;      // sizes of the inputs, then the params
    std::vector<int64_t> values;   // of the exprs
    std::vector<int64_t> dims;     // of the tensors, as Program::dims; unknown: -1
    std::vector<int64_t> sizes;    // size_out of the tensors, as Program::dims
    std::vector<int64_t> offsets;  // of the tensors in their storages
    std::vector<int64_t> bytes;    // of the tensors
    std::vector<int64_t> storage_bytes;
    std::vector<int64_t> storage_offsets;    // in the arena of their segment
    std::vector<int64_t> workspace_offsets;  // of the steps, in the arena of their segment
    std::vector<SegmentState> segments;
    std::vector<ew_tensor> args;  // as Program::args
    std::vector<ew_param> params;
    std::vector<ew_call> calls;
};

// Where the values come from that exprs read while a program runs.
class ValueSource {
  public:
    virtual int64_t read_value(const Resolved &resolved, int32_t tensor, int64_t element) const = 0;
    virtual int64_t input_dim(int32_t input, int32_t axis) const = 0;
    virtual int64_t param(int32_t index) const = 0;

  protected:
    ~ValueSource() = default;
};

// Evaluates one expr (expr.cpp). Throws EW_SHAPE.
int64_t evaluate(const Program &program, const Resolved &resolved, const Expr &expr, const ValueSource &source);
inline int64_t value_of(const Resolved &resolved, Operand operand) {
    return is_expr(operand) ? resolved.values[expr_of(operand)] : operand;
}
// Sizes, checks, bounds, params and the arena of a segment (resolve.cpp). `similar`: sizes that are probably close, or
// NULL. Throws EW_SHAPE.
void resolve_segment(const Model &model, const Program &program, Resolved &resolved, int32_t segment,
                     const ValueSource &source, const Resolved *similar);

// A block of memory in use from step `first` to step `last`; lay_out gives its offset.
struct Block {
    int64_t bytes;
    int32_t first, last;
    int64_t *offset;
};
// Places the blocks so that none overlap in both time and space; returns the bytes needed (layout.cpp).
int64_t lay_out(std::vector<Block> &blocks);
// Gives a segment's storages and workspaces their offsets in its arena (layout.cpp).
void lay_out_segment(const Program &program, Resolved &resolved, int32_t segment, const Resolved *similar);

}  // namespace ew
