// The words of a model: one array of int64 that Python writes (runtime/encoding.py) and ew_model_create reads.
//
//   model    = VERSION, n_programs, program...          (string ids index the strings blob, see below)
//   program  = n_inputs, n_outputs, n_params, n_exprs, n_segments, n_checks, n_storages, n_tensors, n_steps,
//              expr..., segment..., check..., storage..., tensor..., input tensor ids..., output tensor ids...,
//              step...
//   expr     = op, a, b                                 sizes as expressions, in order of use (ExprOp)
//   segment  = end_expr, end_check, end_step            exclusive ends; the first segment starts at 0
//   check    = kind, a, b, label string id              operands that must agree (CheckKind)
//   storage  = kind, value, size, first, last, segment, device  bytes; alive from step `first` to step `last`
//   tensor   = dtype, format, storage, offset, rank, dim...   offset in bytes
//   step     = kernel string id, layer string id, n_inputs, tensor ids (-1: missing)..., n_outputs, tensor ids...,
//              n_params, (kind, value)..., workspace, n_programs, program index..., device
//
// An *operand* (a, b of most exprs and of checks; size, offset, dim, workspace) is a literal if >= 0, UNKNOWN, or ~k:
// the value of expr k. A param's kind says what its value is (ParamKind).
//
// strings = n + 1 int64 offsets, then UTF-8 bytes; string k is bytes[offset[k]..offset[k+1]) of the whole blob, so that
// offset[0] = 8 * (n + 1) tells n; n_strings counts bytes.
//
// Devices. A storage lies on the host (0) or on the model's device (1), a step runs there; all that it uses lies there,
// too, but for the steps "copy_to_device" and "copy_to_host", which are queued on the device.
//
// Segments. Sizes that depend on values or on data-dependent shapes are read between segments: exprs, checks,
// storages and tensors that need such a value belong to the later segment. A tensor belongs to the segment in which its
// storage and its dims are known. An output with data-dependent size is written through one tensor (dims: upper bounds
// or UNKNOWN) and read by later segments through another tensor on the same storage whose dims are DATA exprs.
//
// Nested programs (If, Loop): see control.cpp. Program inputs are the captures; PARAM exprs are sizes of the outer
// program, handed over by the step's params.
#pragma once

#include <cstdint>
#include <limits>

namespace ew {

constexpr int64_t WORDS_VERSION = 2;
constexpr int64_t UNKNOWN = std::numeric_limits<int64_t>::min();

// clang-format off
enum class ExprOp : int64_t {
    Const = 0,      // a (raw)
    InputDim = 1,   // size of axis b of program input a (raw, raw)
    Param = 2,      // a: index into the params of a nested program (raw)
    Value = 3,      // element b of integer or bool tensor a, read at the start of the segment (raw, raw)
    Data = 4,       // size_out[b] of tensor a, written by its kernel in an earlier segment (raw, raw)
    Add = 5, Sub = 6, Mul = 7,
    FloorDiv = 8, Mod = 9, CeilDiv = 10,   // by zero: EW_SHAPE. Floor semantics as in Python
    Min = 11, Max = 12,
    Broadcast = 13,  // a if b == 1, b if a == 1, else they must be equal
    Scale = 14,      // floor(a * s): a operand, b raw bits of the double s
    Equal = 15, Less = 16,  // 0 or 1
    Select = 17,     // value of expr/literal: cond is a; b (raw) is the index of a Pair expr
    Pair = 18,       // operands a, b: only for Select
    InputDimAt = 19  // reserved
};
// clang-format on

enum class CheckKind : int64_t {
    Equal = 0,      // a == b, else EW_SHAPE "<label>: A and B must be equal"
    Broadcast = 1,  // a == b or one of them is 1
    AtLeast = 2,    // a >= b
    AtMost = 3      // a <= b
};

enum class StorageKind : int64_t {
    Input = 0,   // value: input index
    Output = 1,  // value: output index
    Weight = 2,  // value: offset in the weights
    Arena = 3,
    Grown = 4,  // memory of the context; the kernel gives it a size through host->resize
    Slot = 5    // a Python object; data is (void *)(value + 1)
};

enum class ParamKind : int64_t { Int = 0, Float = 1 /* bits of the double */, Expr = 2 /* expr index */ };

}  // namespace ew
