// TreeEnsemble of float32: each row goes down each tree, and the weights of the leaves are combined in the trees' order.
//
// Inputs: x [N, F], nodes [K, 7] (column, mode, next if true, next if false, true if no number, begin and end of the
// members; ~k names leaf k), splits [K], roots [T], leaves [E, 2] (leaf and target, sorted by leaf), weights [E],
// members [M] or none. Parameters: aggregate (0 average, 1 sum, 2 min, 3 max).
#include <algorithm>
#include <cmath>

#include "cpu/gemm.h"
#include "cpu/rows.h"

namespace ew::EW_ISA {

namespace {

constexpr int64_t COLUMNS = 7, MEMBER = 6, TILE = 128;
enum Aggregate { AVERAGE, SUM, MIN, MAX };

struct Trees {
    const int64_t *nodes, *roots, *leaves;
    const float *splits, *weights, *members;
    int64_t n_nodes, n_roots, n_entries, n_members, n_columns, n_targets, aggregate;
};

bool passes(const Trees &t, int64_t node, float value) {
    const int64_t *row = t.nodes + node * COLUMNS;
    const float limit = t.splits[node];
    if (std::isnan(value) && row[4]) return true;
    if (row[1] == 0) return value <= limit;  // nearly all trees have nothing else
    switch (row[1]) {
        case 1: return value < limit;
        case 2: return value >= limit;
        case 3: return value > limit;
        case 4: return value == limit;
        case 5: return value != limit;
        default: return std::find(t.members + row[5], t.members + row[6], value) != t.members + row[6];
    }
}

// The leaf that a row reaches; negative for a tree that has no end, or names what is not there.
int64_t leaf_of(const Trees &t, const float *x, int64_t at) {
    for (int64_t steps = 0; at >= 0; ++steps) {
        if (at >= t.n_nodes || steps > t.n_nodes) return -1;
        const int64_t *row = t.nodes + at * COLUMNS;
        if (row[0] < 0 || row[0] >= t.n_columns || row[1] < 0 || row[1] > MEMBER) return -1;
        if (row[1] == MEMBER && (row[5] < 0 || row[5] > row[6] || row[6] > t.n_members)) return -1;
        at = passes(t, at, x[row[0]]) ? row[2] : row[3];
    }
    return ~at;
}

// The first entry of a leaf: mostly each has one, or one for each target; else it is searched for.
int64_t first_entry(const Trees &t, int64_t leaf) {
    for (const int64_t guess : {leaf, leaf * t.n_targets})
        if (guess < t.n_entries && t.leaves[2 * guess] == leaf && (guess == 0 || t.leaves[2 * guess - 2] < leaf))
            return guess;
    int64_t first = 0;
    for (int64_t last = t.n_entries; first < last;) {
        const int64_t middle = (first + last) / 2;
        if (t.leaves[2 * middle] < leaf)
            first = middle + 1;
        else
            last = middle;
    }
    return first;
}

bool add_leaf(const Trees &t, int64_t leaf, float *y, float *seen) {
    int64_t first = first_entry(t, leaf);
    for (; first < t.n_entries && t.leaves[2 * first] == leaf; ++first) {
        const int64_t target = t.leaves[2 * first + 1];
        if (target < 0 || target >= t.n_targets) return false;
        const float weight = t.weights[first];
        if (t.aggregate == MIN)
            y[target] = seen[target] != 0 ? std::min(y[target], weight) : weight;
        else if (t.aggregate == MAX)
            y[target] = seen[target] != 0 ? std::max(y[target], weight) : weight;
        else
            y[target] += weight;
        seen[target] = 1;
    }
    return true;
}

// Tree after tree for all rows of a tile, so that a tree stays in the cache.
bool run_tile(const Trees &t, const float *x, float *y, int64_t rows) {
    float *seen = scratch(SCRATCH_A, rows * t.n_targets);
    std::fill(seen, seen + rows * t.n_targets, 0.0F);
    std::fill(y, y + rows * t.n_targets, 0.0F);
    for (int64_t tree = 0; tree < t.n_roots; ++tree)
        for (int64_t row = 0; row < rows; ++row) {
            const int64_t leaf = leaf_of(t, x + row * t.n_columns, t.roots[tree]), at = row * t.n_targets;
            if (leaf < 0 || !add_leaf(t, leaf, y + at, seen + at)) return false;
        }
    if (t.aggregate == AVERAGE)
        for (int64_t i = 0; i < rows * t.n_targets; ++i) y[i] /= static_cast<float>(std::max<int64_t>(t.n_roots, 1));
    return true;
}

int32_t run(const ew_call *call) {
    if (call->n_params != 1) return call->host->error(call, EW_INVALID_PLAN, "TreeEnsemble takes one parameter");
    const ew_tensor *in = call->inputs;
    const bool members = call->n_inputs > 6 && in[6].dtype != 0;
    const Trees t{static_cast<const int64_t *>(in[1].data),
                  static_cast<const int64_t *>(in[3].data),
                  static_cast<const int64_t *>(in[4].data),
                  static_cast<const float *>(in[2].data),
                  static_cast<const float *>(in[5].data),
                  members ? static_cast<const float *>(in[6].data) : nullptr,
                  in[1].shape[0],
                  in[3].shape[0],
                  in[4].shape[0],
                  members ? in[6].shape[0] : 0,
                  in[0].shape[1],
                  call->outputs[0].shape[1],
                  call->params[0].i};
    const float *x = static_cast<const float *>(in[0].data);
    float *y = static_cast<float *>(call->outputs[0].data);
    bool failed = false;
    for_ranges(call, in[0].shape[0], t.n_roots * 32, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; row += TILE)
            if (!run_tile(t, x + row * t.n_columns, y + row * t.n_targets, std::min(TILE, end - row)))
                __atomic_store_n(&failed, true, __ATOMIC_RELAXED);
    });
    if (failed)
        return call->host->error(call, EW_INPUT,
                                 "a tree has no end, or names a column, mode or target that is not there");
    return EW_OK;
}

}  // namespace

EW_KERNEL(tree_ensemble_f32, run)

}  // namespace ew::EW_ISA
