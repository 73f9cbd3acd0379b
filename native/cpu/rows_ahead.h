// Rows of A that become words of bfloat16 while the product of the rows above them is computed: the loads and stores of
// rounding go between the products, which leave those units idle.
#pragma once

#include "cpu/narrow_gemm.h"

namespace ew::EW_ISA {

// A block of rows to be rounded, whole; `from` NULL: none.
struct RowsAhead {
    static constexpr int64_t ROWS = 8;
    static constexpr int64_t STEPS = 16;  // of a product, behind which as many words of each row are made
    const float *from = nullptr;
    int64_t row_from = 0, k = 0;
    int32_t *to = nullptr;
    int64_t row_to = 0;
    int64_t block = 0;
};

// Makes A's words when they are asked for. Rows are counted from the first of the product.
class RowSource {
  public:
    // Returns when the words of these rows are there.
    virtual void need(int64_t row, int64_t rows) const = 0;
    // A block of these rows that the caller rounds and then reports; others wait for it. Or none.
    virtual RowsAhead begin(int64_t row, int64_t rows) const = 0;
    virtual void end(const RowsAhead &rows) const = 0;

  protected:
    ~RowSource() = default;
};

// As that without a source, for rows of words that follow each other.
void run_bf16_gemm(const NarrowGemm &gemm, const Finish &finish, const RowSource &source);

}  // namespace ew::EW_ISA
