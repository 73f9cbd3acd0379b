// Lays out an arena: largest block first, each into the smallest gap left by the blocks that live at the same time
// (greedy best fit by size; Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).
#include <algorithm>

#include "failure.h"
#include "resolved.h"

namespace ew {

namespace {

constexpr int64_t ALIGNMENT = 64;

struct Placed {
    int64_t begin, end;
    int32_t first, last;
};

int64_t best_gap(const std::vector<Placed> &placed, const Block &block, int64_t bytes) {
    int64_t end = 0, best = -1, best_size = INT64_MAX;
    for (const Placed &other : placed) {
        if (other.last < block.first || block.last < other.first) continue;
        const int64_t gap = other.begin - end;
        if (gap >= bytes && gap < best_size) {
            best = end;
            best_size = gap;
        }
        end = std::max(end, other.end);
    }
    return best >= 0 ? best : end;
}

}  // namespace

int64_t lay_out(std::vector<Block> &blocks) {
    std::sort(blocks.begin(), blocks.end(), [](const Block &a, const Block &b) {
        return a.bytes != b.bytes ? a.bytes > b.bytes : a.offset < b.offset;
    });
    static thread_local std::vector<Placed> placed;  // in order of `begin`; kept, so that a new shape allocates nothing
    placed.clear();
    int64_t total = 0;
    for (const Block &block : blocks) {
        const int64_t bytes = (block.bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        const int64_t begin = best_gap(placed, block, bytes);
        int64_t end;
        if (__builtin_add_overflow(begin, bytes, &end)) fail(EW_SHAPE, "the tensors together exceed 64-bit sizes");
        *block.offset = begin;
        const Placed entry{begin, end, block.first, block.last};
        const auto at = std::upper_bound(placed.begin(), placed.end(), entry,
                                         [](const Placed &a, const Placed &b) { return a.begin < b.begin; });
        placed.insert(at, entry);
        total = std::max(total, end);
    }
    return total;
}

}  // namespace ew
