// cuBLASLt's interface, as far as it is used here; the library is opened at run time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "library.h"

namespace ew::cuda {

// clang-format off
enum LtType { LT_R_32F = 0, LT_R_16F = 2, LT_R_16BF = 14 };
enum { LT_COMPUTE_32F = 68 };
enum { LT_DESC_TRANSA = 3, LT_DESC_TRANSB = 4, LT_DESC_EPILOGUE = 7, LT_DESC_BIAS_POINTER = 8, LT_DESC_BIAS_TYPE = 26 };
enum { LT_LAYOUT_BATCH_COUNT = 5, LT_LAYOUT_BATCH_STRIDE = 6 };
enum { LT_PREF_WORKSPACE = 1, LT_PREF_ALIGN_A = 5, LT_PREF_ALIGN_B = 6, LT_PREF_ALIGN_C = 7, LT_PREF_ALIGN_D = 8 };
enum { LT_EPILOGUE_NONE = 1, LT_EPILOGUE_RELU = 2, LT_EPILOGUE_BIAS = 4, LT_EPILOGUE_GELU = 32 };
// clang-format on

struct LtAlgorithm {
    uint64_t data[8];
};
struct LtHeuristic {
    LtAlgorithm algorithm;
    size_t workspace;
    int status;
    float waves;
    int reserved[4];
};

struct CublasLt {
    Library library{"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"};
    int (*create)(void **) = nullptr;
    int (*matmul)(void *, void *, const void *, const void *, void *, const void *, void *, const void *, const void *,
                  void *, void *, void *, const LtAlgorithm *, void *, size_t, void *) = nullptr;
    int (*heuristics)(void *, void *, void *, void *, void *, void *, void *, int, LtHeuristic *, int *) = nullptr;
    int (*create_desc)(void **, int, int) = nullptr;
    int (*destroy_desc)(void *) = nullptr;
    int (*set_desc)(void *, int, const void *, size_t) = nullptr;
    int (*create_layout)(void **, int, uint64_t, uint64_t, int64_t) = nullptr;
    int (*destroy_layout)(void *) = nullptr;
    int (*set_layout)(void *, int, const void *, size_t) = nullptr;
    int (*create_preference)(void **) = nullptr;
    int (*destroy_preference)(void *) = nullptr;
    int (*set_preference)(void *, int, const void *, size_t) = nullptr;
    size_t (*version)() = nullptr;
    bool ready;

    CublasLt()
        : ready(library.get(create, "cublasLtCreate") && library.get(matmul, "cublasLtMatmul") &&
                library.get(heuristics, "cublasLtMatmulAlgoGetHeuristic") &&
                library.get(create_desc, "cublasLtMatmulDescCreate") &&
                library.get(destroy_desc, "cublasLtMatmulDescDestroy") &&
                library.get(set_desc, "cublasLtMatmulDescSetAttribute") &&
                library.get(create_layout, "cublasLtMatrixLayoutCreate") &&
                library.get(destroy_layout, "cublasLtMatrixLayoutDestroy") &&
                library.get(set_layout, "cublasLtMatrixLayoutSetAttribute") &&
                library.get(create_preference, "cublasLtMatmulPreferenceCreate") &&
                library.get(destroy_preference, "cublasLtMatmulPreferenceDestroy") &&
                library.get(set_preference, "cublasLtMatmulPreferenceSetAttribute") &&
                library.get(version, "cublasLtGetVersion")) {}
};

CublasLt &cublaslt();

}  // namespace ew::cuda
