// LSTM with 8-bit weights: x as a whole and, at each step, each row of the state are quantized to uint8 by their range.
//
// Inputs: x, w, r, w_scale, w_zero_point, r_scale, r_zero_point, b, sequence_lens, initial_h, initial_c, p. w and r are
// [directions, inputs, 4 hidden], or packed: per direction the bytes of quantized_gemm.h. Params as for the f32 LSTM.
#include "cpu/quantized_gemm.h"
#include "cpu/recurrent.h"

namespace ew::EW_ISA {

namespace {

// One weight, its scales and zero points: one for each direction, or one for each of its columns.
struct Weight {
    const uint8_t *packed;  // of all directions
    int64_t step;           // bytes of a direction
    int64_t k, columns;
    const ew_tensor *scale, *zero;
    bool is_signed;

    float scale_of(int64_t d, int64_t j) const {
        const int64_t each = count(*scale) / scale->shape[0];
        return f32(*scale)[each == 1 ? d : d * each + j];
    }
    int32_t zero_of(int64_t d, int64_t j) const {
        const int64_t each = count(*zero) / zero->shape[0], i = each == 1 ? d : d * each + j;
        return is_signed ? static_cast<const int8_t *>(zero->data)[i]
                         : static_cast<const uint8_t *>(zero->data)[i] - 128;
    }
};

int64_t pack_all(const ew_tensor &w, uint8_t *out) {
    const int64_t k = w.shape[1], n = w.shape[2], step = round_up(packed_bytes(k, n), 64);
    const uint8_t flip = w.dtype == EW_UINT8 ? 0x80 : 0;
    for (int64_t d = 0; d < w.shape[0]; ++d)
        pack_byte_panels({static_cast<const uint8_t *>(w.data) + d * k * n, n, 1, flip}, k, n, out + d * step);
    return step * w.shape[0];
}

int32_t pack(const ew_call *call) {
    const int64_t used = pack_all(call->inputs[0], static_cast<uint8_t *>(call->outputs[0].data));
    clear_rest(call->outputs[0], used / 4);
    return EW_OK;
}

// Rows of floats as uint8 with the sums that the correction needs.
void quantize_rows(const float *x, int64_t rows, int64_t k, float scale, float zero, uint8_t *out, int32_t *sums) {
    const int64_t ld = round_up(k, 4);
    for (int64_t r = 0; r < rows; ++r, out += ld) {
        int32_t sum = 0;
        for (int64_t i = 0; i < k; ++i) {
            float v = __builtin_rintf(x[r * k + i] / scale) + zero;
            v = v > 0 ? v : 0;
            out[i] = static_cast<uint8_t>(static_cast<int32_t>(v < 255 ? v : 255));
            sum += out[i];
        }
        for (int64_t i = k; i < ld; ++i) out[i] = 0;
        sums[r] = sum;
    }
}

// out [rows][columns] (+)= the product of quantized rows with the weight of direction d, columns from `col` on.
// scale[r * step] is that of row r; zero.a or zero.a0 its zero point.
struct Product {
    const uint8_t *a;
    const int32_t *row_sums;
    int64_t rows, col, columns;
    const float *scale;
    int64_t step;
    ZeroPoints zero;
};

void multiply(const Weight &w, int64_t d, const Product &p, float *out, int64_t ld, const float *bias) {
    const uint8_t *packed = w.packed + d * w.step;
    auto *sums = reinterpret_cast<int32_t *>(scratch(SCRATCH_B, p.rows * p.columns + p.columns));
    int32_t *zeros = sums + p.rows * p.columns;
    for (int64_t j = 0; j < p.columns; ++j) zeros[j] = w.zero_of(d, p.col + j);
    sum_bytes({p.rows, p.columns, w.k, p.a, packed + 4 * p.col * ceil_div(w.k, 4), sums, p.columns});
    ZeroPoints zero = p.zero;
    zero.b = zeros;
    const auto *col_sums = reinterpret_cast<const int32_t *>(packed + byte_panels(w.k, w.columns)) + p.col;
    correct_sums(sums, p.columns, p.rows, p.columns, w.k, zero, p.row_sums, col_sums);
    for (int64_t r = 0; r < p.rows; ++r)
        for (int64_t j = 0; j < p.columns; ++j) {
            const float v =
                static_cast<float>(sums[r * p.columns + j]) * (p.scale[r * p.step] * w.scale_of(d, p.col + j));
            float &to = out[r * ld + j];
            to = bias ? v + bias[j] : to + v;
        }
}

struct Layer {
    const ew_call *call;
    const Recurrent *r;
    Weight w, rec;
    const uint8_t *x;  // all of x, quantized
    const int32_t *x_sums;
    float x_scale, x_zero;
};

void multiply_input(void *arg, int64_t d, float *sums, int64_t ld, int64_t row, int64_t rows, int64_t col,
                    int64_t columns, const float *bias) {
    const auto &l = *static_cast<const Layer *>(arg);
    const int64_t bytes = round_up(l.w.k, 4);
    ZeroPoints zero;
    zero.a0 = static_cast<int32_t>(l.x_zero);
    multiply(l.w, d, {l.x + row * bytes, l.x_sums + row, rows, col, columns, &l.x_scale, 0, zero}, sums, ld, bias);
}

void multiply_state(void *arg, int64_t d, const float *h, float *sums, int64_t ld) {
    const auto &l = *static_cast<const Layer *>(arg);
    const int64_t rows = l.r->batch, k = l.rec.k, bytes = round_up(k, 4);
    auto *a = reinterpret_cast<uint8_t *>(scratch(SCRATCH_A, ceil_div(rows * bytes, 4) + 3 * rows));
    auto *row_sums = reinterpret_cast<int32_t *>(a + rows * bytes);
    auto *scales = reinterpret_cast<float *>(row_sums + rows);
    auto *zeros = row_sums + 2 * rows;
    for (int64_t r = 0; r < rows; ++r) {
        float low = 0, high = 0;
        for (int64_t i = r * k; i < (r + 1) * k; ++i) {
            low = h[i] < low ? h[i] : low;
            high = h[i] > high ? h[i] : high;
        }
        scales[r] = low == high ? 1.0F : (high - low) / 255.0F;
        const float rounded = __builtin_rintf(-low / scales[r]);
        zeros[r] = rounded < 0 ? 0 : rounded > 255 ? 255 : static_cast<int32_t>(rounded);
        quantize_rows(h + r * k, 1, k, scales[r], static_cast<float>(zeros[r]), a + r * bytes, row_sums + r);
    }
    ZeroPoints zero;
    zero.a = zeros;
    multiply(l.rec, d, {a, row_sums, rows, 0, l.rec.columns, scales, 1, zero}, sums, ld, nullptr);
}

Weight read_weight(const ew_call *call, int index, int scale, const uint8_t *packed) {
    const ew_tensor &t = call->inputs[index];
    return {packed,
            round_up(packed_bytes(t.shape[1], t.shape[2]), 64),
            t.shape[1],
            t.shape[2],
            &call->inputs[scale],
            &call->inputs[scale + 1],
            t.dtype == EW_INT8};
}

int32_t run(const ew_call *call) {
    Recurrent r;
    if (!read_recurrent(call, {7, 8, 9, 10, 11}, 4, 3, r))
        return call->host->error(call, EW_INVALID_PLAN, "recurrent layer: ranks or params");
    const int64_t rows = r.time * r.batch, bytes = round_up(r.inputs, 4);
    const auto packed_size = [&](int i) {
        const ew_tensor &t = call->inputs[i];
        return round_up(packed_bytes(t.shape[1], t.shape[2]), 64) * t.shape[0];
    };
    const int64_t size_w = r.packed ? 0 : packed_size(1), size_r = r.packed ? 0 : packed_size(2);
    Layer l{call, &r, {}, {}, nullptr, nullptr, 1, 0};
    find_range(call, r.x, rows * r.inputs, &l.x_scale, &l.x_zero);
    // Quantized x, then the packed weights, live as long as the call: slot C is not used by the steps.
    auto *memory = reinterpret_cast<uint8_t *>(scratch(SCRATCH_C, (rows * bytes + size_w + size_r) / 4 + rows + 64));
    auto *own = reinterpret_cast<uint8_t *>(round_up(reinterpret_cast<int64_t>(memory + rows * (bytes + 4)), 64));
    auto *x_sums = reinterpret_cast<int32_t *>(memory + rows * bytes);
    quantize_rows(r.x, rows, r.inputs, l.x_scale, l.x_zero, memory, x_sums);
    l.x = memory;
    l.x_sums = x_sums;
    if (!r.packed) {
        pack_all(call->inputs[1], own);
        pack_all(call->inputs[2], own + size_w);
    }
    const auto data = [&](int i) { return static_cast<const uint8_t *>(call->inputs[i].data); };
    l.w = read_weight(call, 1, 3, r.packed ? data(1) : own);
    l.rec = read_weight(call, 2, 5, r.packed ? data(2) : own + size_w);
    run_directions(call, r, nullptr, nullptr, {multiply_input, &l}, {multiply_state, &l});
    return EW_OK;
}

}  // namespace

EW_KERNEL(lstm_quantized, run)
EW_KERNEL(pack_recurrent_i8, pack)

}  // namespace ew::EW_ISA
