// Concat and Split: parts of one axis, side by side in one tensor.
#include "cpu/strided.h"

namespace ew::EW_ISA {

namespace {

constexpr int64_t MOST_PARTS = 64, MOST_ROW = 16 << 10;  // of what is moved row by row, bytes of a row
constexpr int64_t ROWS = 8 << 10;                        // bytes of the whole that stay in L1 for all parts

struct Part {
    char *data;
    int64_t run, offset;  // bytes of a row; where it begins in a row of the whole
};
struct Whole {
    char *data;
    int64_t rows, row;  // bytes of a row
    Part parts[MOST_PARTS];
    int n;
};

template <typename T>
void copy_each(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t rows) {
    for (int64_t r = 0; r < rows; ++r) std::memcpy(to + r * to_step, from + r * from_step, sizeof(T));
}

void copy_runs(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t run, int64_t rows) {
    switch (run) {
        case 2: return copy_each<int16_t>(to, to_step, from, from_step, rows);
        case 4: return copy_each<int32_t>(to, to_step, from, from_step, rows);
        case 8: return copy_each<int64_t>(to, to_step, from, from_step, rows);
        default:
            for (int64_t r = 0; r < rows; ++r) copy_run(to + r * to_step, from + r * from_step, run);
    }
}

// Short rows: all parts of some rows, so that no line of the whole is visited again when it has left the cache.
void move_rows(const ew_call *call, const Whole &w, bool join) {
    const int64_t block = ROWS / w.row > 1 ? ROWS / w.row : 1;
    for_ranges(call, w.rows, task_count(w.rows * w.row, w.rows), [&](int64_t first, int64_t last) {
        for (; first < last; first += block) {
            const int64_t rows = last - first < block ? last - first : block;
            for (int i = 0; i < w.n; ++i) {
                const Part &part = w.parts[i];
                char *const place = w.data + first * w.row + part.offset, *const alone = part.data + first * part.run;
                if (join)
                    copy_runs(place, w.row, alone, part.run, part.run, rows);
                else
                    copy_runs(alone, part.run, place, w.row, part.run, rows);
            }
        }
    });
}

void move_part(const ew_call *call, const Whole &w, const Part &part, bool join) {
    char *const place = w.data + part.offset;
    Walk walk;
    walk.add(w.rows, join ? w.row : part.run, join ? part.run : w.row);
    walk.add(part.run, 1, 1);
    copy_strided(call, join ? place : part.data, join ? part.data : place, walk, 1);
}

// Copies between the whole and its parts, which lie one after another along `axis`.
int32_t move(const ew_call *call, const ew_tensor &whole, const ew_tensor *parts, int n_parts, bool join) {
    const int64_t axis = call->n_params == 1 ? call->params[0].i : -1;
    if (axis < 0 || axis >= whole.rank) return call->host->error(call, EW_FAILED, "there is no such axis");
    const int64_t inner = count_of(whole.shape, axis + 1, whole.rank) * element_bytes(whole);
    Whole w{static_cast<char *>(whole.data), count_of(whole.shape, 0, axis), whole.shape[axis] * inner, {}, n_parts};
    const bool by_rows = n_parts <= MOST_PARTS && w.rows > 1 && w.row <= MOST_ROW;
    int64_t offset = 0;
    for (int i = 0; i < n_parts; ++i) {
        const int64_t run = parts[i].rank == whole.rank ? parts[i].shape[axis] * inner : -1;
        if (run < 0 || offset + run > w.row || count_of(parts[i]) * element_bytes(whole) != w.rows * run)
            return call->host->error(call, EW_SHAPE, "part %d does not fit into the whole", i);
        const Part part{static_cast<char *>(parts[i].data), run, offset};
        by_rows ? void(w.parts[i] = part) : move_part(call, w, part, join);
        offset += run;
    }
    if (offset != w.row) return call->host->error(call, EW_SHAPE, "the parts do not fill the whole");
    if (by_rows && w.row > 0) move_rows(call, w, join);
    return EW_OK;
}

// inputs: parts; outputs: y; params: axis.
int32_t concat(const ew_call *call) { return move(call, call->outputs[0], call->inputs, call->n_inputs, true); }

// inputs: x; outputs: parts; params: axis.
int32_t split(const ew_call *call) { return move(call, call->inputs[0], call->outputs, call->n_outputs, false); }

}  // namespace

EW_KERNEL(concat, concat)
EW_KERNEL(split, split)

}  // namespace ew::EW_ISA
