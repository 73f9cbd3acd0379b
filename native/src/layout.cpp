// Lays out an arena: largest block first, each into the smallest gap left by the blocks that live at the same time
// (greedy best fit by size; Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).
//
// Sizes that depend on shapes are rounded up by at most a sixteenth: a cache that grows by one token a run then needs
// a new layout only now and then, and in between the one before is taken over.
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

int64_t round_up(int64_t bytes, int64_t to) { return (bytes + to - 1) / to * to; }

// Room for a block: exact if its size never changes, else with four significant bits.
int64_t room_for(Operand size, int64_t bytes) {
    if (!is_expr(size) || bytes < 16 * ALIGNMENT) return round_up(bytes, ALIGNMENT);
    return round_up(bytes, int64_t{1} << (59 - __builtin_clzll(static_cast<uint64_t>(bytes))));
}

// The blocks of a segment: its storages in the arena, then the workspaces of its steps. Blocks of no bytes stay where
// they are, so that two lists can be compared.
void list_blocks(const Program &program, Resolved &resolved, const Segment &segment, int32_t device,
                 std::vector<Block> &blocks) {
    blocks.clear();
    for (const int32_t id : segment.storages) {
        const Storage &storage = program.storages[static_cast<size_t>(id)];
        if (storage.kind != StorageKind::Arena || storage.device != device) continue;
        const int64_t bytes = room_for(storage.size, resolved.storage_bytes[static_cast<size_t>(id)]);
        blocks.push_back({bytes, storage.first, storage.last, &resolved.storage_offsets[static_cast<size_t>(id)]});
    }
    for (int32_t i = segment.first_step; i < segment.end_step; ++i) {
        const auto at = static_cast<size_t>(i);
        if (program.steps[at].device != device) continue;
        const Operand size = program.steps[at].workspace;
        const int64_t bytes = room_for(size, static_cast<int64_t>(resolved.calls[at].workspace_size));
        if (size != 0) blocks.push_back({bytes, i, i, &resolved.workspace_offsets[at]});
    }
}

bool same_sizes(const std::vector<Block> &blocks, const std::vector<int64_t> &sizes) {
    return std::equal(blocks.begin(), blocks.end(), sizes.begin(), sizes.end(),
                      [](const Block &block, int64_t size) { return block.bytes == size; });
}

// Copies the offsets of all blocks of a segment on a device.
void take_over(const Program &program, Resolved &to, const Resolved &from, const Segment &segment, int32_t device) {
    for (const int32_t id : segment.storages)
        if (program.storages[static_cast<size_t>(id)].device == device)
            to.storage_offsets[static_cast<size_t>(id)] = from.storage_offsets[static_cast<size_t>(id)];
    for (int32_t i = segment.first_step; i < segment.end_step; ++i)
        if (program.steps[static_cast<size_t>(i)].device == device)
            to.workspace_offsets[static_cast<size_t>(i)] = from.workspace_offsets[static_cast<size_t>(i)];
    const auto index = static_cast<size_t>(&segment - program.segments.data());
    to.segments[index].arena_bytes[device] = from.segments[index].arena_bytes[device];
    to.segments[index].laid_out[device] = from.segments[index].laid_out[device];
}

void lay_out_on(const Program &program, Resolved &resolved, int32_t index, const Resolved *similar, int32_t device) {
    static thread_local std::vector<Block> blocks;
    const auto at = static_cast<size_t>(index);
    const Segment &segment = program.segments[at];
    SegmentState &state = resolved.segments[at];
    list_blocks(program, resolved, segment, device, blocks);
    if (same_sizes(blocks, state.laid_out[device])) return;
    if (similar != nullptr && same_sizes(blocks, similar->segments[at].laid_out[device]))
        return take_over(program, resolved, *similar, segment, device);
    state.laid_out[device].clear();  // a failure below leaves no layout
    std::vector<int64_t> sizes;
    for (const Block &block : blocks) sizes.push_back(block.bytes);
    state.arena_bytes[device] = lay_out(blocks);
    state.laid_out[device] = std::move(sizes);
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
        if (block.bytes == 0) break;  // the rest has none either
        const int64_t bytes = round_up(block.bytes, ALIGNMENT);
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

void lay_out_segment(const Program &program, Resolved &resolved, int32_t index, const Resolved *similar) {
    lay_out_on(program, resolved, index, similar, 0);
    if (program.on_device) lay_out_on(program, resolved, index, similar, 1);
}

}  // namespace ew
