// What recurrent layers share: sizes, activations, and the loop over directions and times.
#pragma once

#include "cpu/gemm.h"

namespace ew::EW_ISA {

struct Activation {
    int64_t kind;
    float alpha, beta;
};

struct Recurrent {
    int64_t directions, time, batch, inputs, hidden, gates, layout;
    int functions;  // activations of a direction
    float clip;
    bool reverse, option, packed;  // option: LSTM input_forget, GRU linear_before_reset
    Activation activations[6];
    const float *x, *bias, *peepholes, *initial_h, *initial_c;
    const int32_t *lengths;
    float *y, *last_h, *last_c;
};

// Where the optional inputs stand; -1: the layer has none.
struct RecurrentInputs {
    int bias, lengths, initial_h, initial_c, peepholes;
};

// Cuts to [-clip, clip] (0: not), then applies the function, in place.
void activate(const Activation &activation, float clip, float *x, int64_t n);

bool read_recurrent(const ew_call *call, const RecurrentInputs &inputs, int64_t gates, int functions, Recurrent &r);

// Computes, in place of the f32 product, rows [row, row + rows) of x times columns [col, col + columns) of direction
// d's weight, plus bias[0 .. columns).
struct InputProduct {
    void (*run)(void *arg, int64_t d, float *sums, int64_t ld, int64_t row, int64_t rows, int64_t col, int64_t columns,
                const float *bias) = nullptr;
    void *arg = nullptr;
};
// Adds the product of the states h [batch, hidden] to the sums of one time, in place of the f32 product; or does all steps
// of a direction, whose states h and c it leaves at their last.
struct StateProduct {
    void (*run)(void *arg, int64_t d, const float *h, float *sums, int64_t ld) = nullptr;
    void *arg = nullptr;
    void (*steps)(void *arg, int64_t d, const float *sums, float *h, float *c) = nullptr;
};

// w, rec: panels of all directions.
void run_directions(const ew_call *call, const Recurrent &r, const float *w, const float *rec, InputProduct given,
                    StateProduct product);

}  // namespace ew::EW_ISA
