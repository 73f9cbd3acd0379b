// Runs the pointwise program fused behind an anchor on parts of its output, while they are in the cache.
#include <algorithm>

#include "cpu/bfloat16.h"
#include "cpu/pointwise_loops.h"
#include "cpu/vector_math.h"

namespace ew::EW_ISA {
namespace {

constexpr int64_t MAX_TILE_BYTES = 4096 * 8;

bool is_half(int32_t dtype) { return machine_type(dtype) != dtype; }

// Where the row of an extra input begins, at column c.
template <class Extra>
const char *row_of(const Extra &extra, int64_t row, int64_t column, int64_t cols) {
    const int64_t r = row % extra.period;
    return extra.data + (extra.column_broadcast ? r : r * cols + column) * element_size(extra.dtype);
}

template <class Extra>
void load_rows(void *out, const Extra &extra, int64_t r0, int64_t r1, int64_t c0, int64_t c1, int64_t cols) {
    char *to = static_cast<char *>(out);
    for (int64_t r = r0; r < r1; ++r, to += (c1 - c0) * element_size(machine_type(extra.dtype))) {
        if (extra.column_broadcast)
            fill_elements(to, row_of(extra, r, c0, cols), extra.dtype, c1 - c0);
        else
            load_elements(to, row_of(extra, r, c0, cols), extra.dtype, c1 - c0);
    }
}

template <PatternKind kind>
EW_INLINE vf activate(vf x, vf slope, const LineNumbers &p) {
    switch (kind) {
        case PatternKind::none: return x;
        case PatternKind::clip: return clamp(x, p.low, p.high);
        case PatternKind::affine: return p.affine(x);
        case PatternKind::gate: return p.gate(x);
        case PatternKind::sloped: return x < 0 ? x * slope : x;
        case PatternKind::sigmoid: return vsigmoid(x);
        case PatternKind::silu: return x * vsigmoid(x);
        case PatternKind::gelu: return vgelu(x);
        case PatternKind::gelu_tanh: return vgelu_tanh(x);
        case PatternKind::tanh: return vtanh(x);
    }
}

}  // namespace

bool Epilogue::parse(const ew_call *call, int fixed, int anchor_inputs, int64_t rows, int64_t cols) {
    rows_ = rows;
    cols_ = cols;
    outputs_ = call->outputs;
    fused_ = call->n_params > fixed;
    if (!fused_) return call->n_params == fixed;
    const ew_param *words = call->params + fixed;
    const int64_t n_words = call->n_params - fixed, n_extra = words[0].i;
    if (n_extra < 0 || n_extra >= MAX_INPUTS || n_words < 1 + 2 * n_extra) return false;
    // The extra inputs are the last ones; a trailing input of the anchor that is left out may be there or not.
    if (call->n_inputs < n_extra || call->n_inputs - n_extra > anchor_inputs + 1) return false;
    n_extra_ = static_cast<int>(n_extra);
    int64_t used = 0;
    const int64_t left = n_words - 1 - 2 * n_extra;
    if (!program_.parse(words + 1 + 2 * n_extra, left, &used) || used != left) return false;
    if (program_.n_inputs != n_extra_ + 1 || program_.n_outputs != call->n_outputs) return false;
    for (int k = 0; k < program_.n_outputs; ++k)
        if (call->outputs[k].dtype != program_.dtypes[program_.outputs[k]]) return false;
    if (!parse_extras(call, words + 1, call->n_inputs - n_extra_)) return false;
    simple_ = find_pattern(program_, pattern_);
    if (pattern_.scale_input >= 0 && extra_[pattern_.scale_input].period != 1) simple_ = false;  // a scale for each row
    tile_ = program_.allocate(0, 0);
    return tile_ > 0;
}

bool Epilogue::parse_extras(const ew_call *call, const ew_param *words, int anchor_inputs) {
    for (int k = 0; k < n_extra_; ++k) {
        const ew_tensor &tensor = call->inputs[anchor_inputs + k];
        Extra &extra = extra_[k];
        extra.data = static_cast<const char *>(tensor.data);
        extra.period = words[2 * k].i;
        extra.column_broadcast = words[2 * k + 1].i != 0;
        extra.dtype = tensor.dtype;
        int64_t elements = 1;
        for (int a = 0; a < tensor.rank; ++a) elements *= tensor.shape[a];
        if (tensor.dtype != program_.dtypes[k + 1]) return false;
        if (rows_ == 0 || cols_ == 0) continue;  // nothing will be read, and the period may be 0
        if (extra.period < 1 || elements < extra.period * (extra.column_broadcast ? 1 : cols_)) return false;
    }
    return true;
}

bool Epilogue::as_finish(Finish &finish, bool slopes) const {
    const PatternKind kind = pattern_.kind;
    const bool clips = kind == PatternKind::clip, sloped = slopes && kind == PatternKind::sloped,
               line = sloped || kind == PatternKind::affine || kind == PatternKind::gate;
    if (!fused_ || !simple_ || (kind != PatternKind::none && !clips && !line)) return false;
    if (outputs_[0].dtype != EW_FLOAT32) return false;
    Finish found = finish;
    if (sloped && pattern_.slope_input >= 0) {
        const Extra &slope = extra_[pattern_.slope_input];
        if (slope.period != 1 || slope.column_broadcast) return false;
        found.slope_col = reinterpret_cast<const float *>(slope.data);
    }
    for (int k = 0; k < pattern_.n_added; ++k) {
        const Extra &extra = extra_[pattern_.added[k]];
        const auto *data = reinterpret_cast<const float *>(extra.data);
        if (extra.dtype != EW_FLOAT32 || extra.column_broadcast || (extra.period != 1 && extra.period != rows_))
            return false;
        if (extra.period == rows_ && !found.residual) {
            found.residual = data;
            found.ld_residual = cols_;
        } else if (extra.period == 1 && !found.bias_col) {
            found.bias_col = data;
        } else {
            return false;
        }
    }
    found.clamped = clips;
    found.lo = pattern_.low;
    found.hi = pattern_.high;
    found.line = line ? &pattern_ : nullptr;
    finish = found;
    return true;
}

void Epilogue::run(float *tile, int64_t ld, int64_t r0, int64_t r1, int64_t c0, int64_t c1) const {
    // Whole rows of a program that is the same for all elements are one long row.
    const bool flat = n_extra_ == 0 && c0 == 0 && c1 == cols_ && ld == cols_;
    const Part part = flat ? Part{0, 1, r0 * cols_, r1 * cols_, ld} : Part{r0, r1, c0, c1, ld};
    if (!fused_) return store_part(tile, EW_FLOAT32, part);
    if (!simple_) return interpret(reinterpret_cast<const char *>(tile), EW_FLOAT32, part);
    switch (pattern_.kind) {
        case PatternKind::none: return run_pattern<PatternKind::none>(tile, part);
        case PatternKind::clip: return run_pattern<PatternKind::clip>(tile, part);
        case PatternKind::affine: return run_pattern<PatternKind::affine>(tile, part);
        case PatternKind::gate: return run_pattern<PatternKind::gate>(tile, part);
        case PatternKind::sloped: return run_pattern<PatternKind::sloped>(tile, part);
        case PatternKind::sigmoid: return run_pattern<PatternKind::sigmoid>(tile, part);
        case PatternKind::silu: return run_pattern<PatternKind::silu>(tile, part);
        case PatternKind::gelu: return run_pattern<PatternKind::gelu>(tile, part);
        case PatternKind::gelu_tanh: return run_pattern<PatternKind::gelu_tanh>(tile, part);
        case PatternKind::tanh: return run_pattern<PatternKind::tanh>(tile, part);
    }
}

void Epilogue::run(int32_t *tile, int64_t ld, int64_t r0, int64_t r1, int64_t c0, int64_t c1) const {
    const Part part{r0, r1, c0, c1, ld};
    if (fused_)
        interpret(reinterpret_cast<const char *>(tile), EW_INT32, part);
    else
        store_part(tile, EW_INT32, part);
}

// Nothing is fused: converts float32 to the output's type, or copies, unless the tile lies in the output.
void Epilogue::store_part(const void *tile, int32_t dtype, const Part &part) const {
    const ew_tensor &output = outputs_[0];
    const int64_t size = element_size(output.dtype), width = part.c1 - part.c0;
    float rounded[256];
    for (int64_t r = part.r0; r < part.r1; ++r) {
        const char *from = static_cast<const char *>(tile) + (r - part.r0) * part.ld * 4;
        char *to = static_cast<char *>(output.data) + (r * cols_ + part.c0) * size;
        if (output.dtype == dtype) {
            store_elements(to, from, dtype, width);
            continue;
        }
        for (int64_t c = 0; c < width; c += 256) {
            const int64_t n = std::min<int64_t>(256, width - c);
            load_elements(rounded, from + c * 4, dtype, n);
            round_elements(rounded, output.dtype, n);
            store_elements(to + c * size, rounded, output.dtype, n);
        }
    }
}

template <PatternKind kind>
void Epilogue::run_pattern(const float *tile, const Part &part) const {
    constexpr int SLOPE = 2;  // behind what is added; or what is added behind a function
    const LineNumbers numbers(pattern_);
    const int64_t width = part.c1 - part.c0, n_added = pattern_.n_added;
    const Extra *extras[3] = {n_added > 0 ? extra_ + pattern_.added[0] : nullptr,
                              n_added > 1 ? extra_ + pattern_.added[1] : nullptr,
                              pattern_.slope_input >= 0 ? extra_ + pattern_.slope_input : nullptr};
    for (int64_t r = part.r0; r < part.r1; ++r) {
        const float *from = tile + (r - part.r0) * part.ld, *rows[3] = {};
        const uint16_t *narrow[3] = {};
        const int64_t place = r * cols_ + part.c0;
        vf constant[3] = {{}, {}, splat(pattern_.slope)};
        for (int k = 0; k < 3; ++k) {
            if (!extras[k]) continue;
            const char *row = row_of(*extras[k], r, part.c0, cols_);
            const bool half = extras[k]->dtype == EW_BFLOAT16;
            if (extras[k]->column_broadcast)
                constant[k] = splat(half ? widen(*reinterpret_cast<const uint16_t *>(row), true)
                                         : *reinterpret_cast<const float *>(row));
            else if (half)
                narrow[k] = reinterpret_cast<const uint16_t *>(row);
            else
                rows[k] = reinterpret_cast<const float *>(row);
        }
        const auto apply = [&](vf x, vf a, vf b, vf slope) {
            if (n_added > 0) x += a;
            if (n_added > 1) x += b;
            const vf y = activate<kind>(x, slope, numbers);
            return kind >= PatternKind::sigmoid && extras[SLOPE] ? y + slope : y;  // behind a function
        };
        int64_t c = 0;
        const auto whole = [&](int k) {
            return rows[k] ? load(rows[k] + c) : narrow[k] ? load_bf16(narrow[k] + c) : constant[k];
        };
        const auto some = [&](int k) {
            const int64_t n = width - c;
            return rows[k] ? load_n(rows[k] + c, n) : narrow[k] ? load_bf16_n(narrow[k] + c, n) : constant[k];
        };
        const auto write = [&](auto *to, auto &&put, auto &&put_n) {
            for (; c + VL <= width; c += VL) put(to + c, apply(load(from + c), whole(0), whole(1), whole(SLOPE)));
            if (c < width) put_n(to + c, apply(load_n(from + c, width - c), some(0), some(1), some(SLOPE)), width - c);
        };
        if (outputs_[0].dtype == EW_BFLOAT16)
            write(static_cast<uint16_t *>(outputs_[0].data) + place, store_bf16, store_bf16_n);
        else
            write(
                static_cast<float *>(outputs_[0].data) + place, [](float *p, vf v) { store(p, v); },
                [](float *p, vf v, int64_t n) { store_n(p, v, n); });
    }
}

// Cuts the part into blocks that fit a tile: some columns of one row, or some rows.
void Epilogue::interpret(const char *tile, int32_t dtype, const Part &part) const {
    const int64_t width = part.c1 - part.c0;
    if (width <= 0 || part.r1 <= part.r0) return;
    const int64_t step_c = std::min(width, tile_), step_r = std::max<int64_t>(1, tile_ / width);
    Registers registers;
    program_.begin(registers, std::min(tile_, step_c * std::min(step_r, part.r1 - part.r0)));
    void *slots[MAX_VALUES];
    std::copy(registers.values, registers.values + MAX_VALUES, slots);
    for (int64_t r = part.r0; r < part.r1; r += step_r) {
        for (int64_t c = part.c0; c < part.c1; c += step_c) {
            const Part block{r, std::min(part.r1, r + step_r), c, std::min(part.c1, c + step_c), part.ld};
            std::copy(slots, slots + program_.n_inputs, registers.values);
            interpret_block(registers, tile + ((r - part.r0) * part.ld + (c - part.c0)) * 4, dtype, block);
        }
    }
}

void Epilogue::interpret_block(Registers &registers, const char *tile, int32_t dtype, const Part &part) const {
    const int64_t n_rows = part.r1 - part.r0, width = part.c1 - part.c0, n = n_rows * width;
    const bool one_row = n_rows == 1;
    alignas(64) char result[MAX_TILE_BYTES];
    if (program_.reads(0)) {
        const bool in_place = (one_row || part.ld == width) && program_.dtypes[0] == dtype;
        if (in_place) registers.values[0] = const_cast<char *>(tile);
        for (int64_t r = 0; r < n_rows && !in_place; ++r)
            load_elements(static_cast<char *>(registers.values[0]) + r * width * 4, tile + r * part.ld * 4, dtype,
                          width);
        if (is_half(program_.dtypes[0])) round_elements(registers.values[0], program_.dtypes[0], n);
    }
    for (int k = 0; k < n_extra_; ++k) {
        const Extra &extra = extra_[k];
        if (!program_.reads(k + 1)) continue;
        if (one_row && !extra.column_broadcast && !is_half(extra.dtype))
            registers.values[k + 1] = const_cast<char *>(row_of(extra, part.r0, part.c0, cols_));
        else
            load_rows(registers.values[k + 1], extra, part.r0, part.r1, part.c0, part.c1, cols_);
    }
    const auto target = [&](int k, int64_t row) {
        return static_cast<char *>(outputs_[k].data) + (row * cols_ + part.c0) * element_size(outputs_[k].dtype);
    };
    if (program_.direct_output()) registers.values[program_.outputs[0]] = one_row ? target(0, part.r0) : result;
    program_.run(registers, n);
    for (int k = 0; k < program_.n_outputs; ++k) {
        const int32_t type = program_.dtypes[program_.outputs[k]];
        const char *from = static_cast<const char *>(registers.values[program_.outputs[k]]);
        for (int64_t r = 0; r < n_rows; ++r)
            store_elements(target(k, part.r0 + r), from + r * width * element_size(machine_type(type)), type, width);
    }
}

}  // namespace ew::EW_ISA
