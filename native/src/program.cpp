// Reads the words of a model. Any words whatever give structures whose counts fit, or EW_INVALID_PLAN.
#include "program.h"

#include <cstring>

#include "failure.h"
#include "model.h"

namespace ew {

namespace {

class Reader {
  public:
    Reader(const int64_t *words, int64_t n_words) : words_(words), left_(n_words) {}

    int64_t take(const char *what) {
        if (left_ <= 0) fail(EW_INVALID_PLAN, "the program ends before: %s", what);
        --left_;
        return *words_++;
    }
    int32_t take32(const char *what, int64_t low, int64_t high) {
        const int64_t value = take(what);
        if (value < low || value > high) {
            fail(EW_INVALID_PLAN, "%s is %lld, must be from %lld to %lld", what, static_cast<long long>(value),
                 static_cast<long long>(low), static_cast<long long>(high));
        }
        return static_cast<int32_t>(value);
    }
    // A number of things of at least one word each: never more than there are words, so that a wrong one cannot
    // ask for absurd memory.
    int32_t count(const char *what) { return take32(what, 0, std::min<int64_t>(left_ - 1, INT32_MAX)); }
    int32_t id(const char *what) { return take32(what, -1, INT32_MAX); }
    bool done() const { return left_ == 0; }

  private:
    const int64_t *words_;
    int64_t left_;
};

void read_sizes(Reader &reader, Program &program) {
    const int32_t n_exprs = reader.count("n_exprs"), n_segments = reader.count("n_segments");
    const int32_t n_checks = reader.count("n_checks"), n_storages = reader.count("n_storages");
    const int32_t n_tensors = reader.count("n_tensors"), n_steps = reader.count("n_steps");
    program.exprs.resize(static_cast<size_t>(n_exprs));
    program.segments.resize(static_cast<size_t>(n_segments));
    program.checks.resize(static_cast<size_t>(n_checks));
    program.storages.resize(static_cast<size_t>(n_storages));
    program.tensors.resize(static_cast<size_t>(n_tensors));
    program.steps.resize(static_cast<size_t>(n_steps));
}

void read_exprs(Reader &reader, Program &program) {
    for (Expr &expr : program.exprs) {
        expr.op = static_cast<ExprOp>(reader.take32("operator of an expr", 0, static_cast<int64_t>(ExprOp::Pair)));
        expr.a = reader.take("expr");
        expr.b = reader.take("expr");
    }
}

void read_segments(Reader &reader, Program &program) {
    int32_t expr = 0, check = 0, step = 0;
    const auto n_exprs = static_cast<int64_t>(program.exprs.size());
    const auto n_checks = static_cast<int64_t>(program.checks.size());
    const auto n_steps = static_cast<int64_t>(program.steps.size());
    for (Segment &segment : program.segments) {
        segment.first_expr = expr;
        segment.first_check = check;
        segment.first_step = step;
        segment.end_expr = expr = reader.take32("end of the exprs of a segment", expr, n_exprs);
        segment.end_check = check = reader.take32("end of the checks of a segment", check, n_checks);
        segment.end_step = step = reader.take32("end of the steps of a segment", step, n_steps);
    }
    if (program.segments.empty()) fail(EW_INVALID_PLAN, "program %d has no segment", program.index);
    if (expr != n_exprs || check != n_checks || step != n_steps)
        fail(EW_INVALID_PLAN, "program %d: the last segment leaves something out", program.index);
}

void read_checks(Reader &reader, Program &program, int64_t n_strings) {
    for (Check &check : program.checks) {
        check.kind =
            static_cast<CheckKind>(reader.take32("kind of a check", 0, static_cast<int64_t>(CheckKind::AtMost)));
        check.a = reader.take("check");
        check.b = reader.take("check");
        check.label = reader.take32("label of a check", 0, n_strings - 1);
    }
}

void read_storages(Reader &reader, Program &program) {
    for (Storage &storage : program.storages) {
        storage.kind =
            static_cast<StorageKind>(reader.take32("kind of a storage", 0, static_cast<int64_t>(StorageKind::Slot)));
        storage.value = reader.take("value of a storage");
        storage.size = reader.take("size of a storage");
        storage.first = reader.id("first step of a storage");
        storage.last = reader.id("last step of a storage");
        storage.segment = reader.id("segment of a storage");
        storage.device = reader.take32("device of a storage", 0, 1);
        storage.growing =
            storage.kind == StorageKind::Grown || (storage.kind == StorageKind::Output && is_unknown(storage.size));
    }
}

void read_tensors(Reader &reader, Program &program) {
    for (Tensor &tensor : program.tensors) {
        tensor = {};
        tensor.dtype = reader.id("type of a tensor");
        tensor.format = reader.id("format of a tensor");
        tensor.storage = reader.id("storage of a tensor");
        tensor.offset = reader.take("offset of a tensor");
        tensor.rank = reader.take32("rank of a tensor", 0, EW_MAX_RANK);
        tensor.dims = static_cast<int32_t>(program.dims.size());
        tensor.writer = -1;
        for (int32_t i = 0; i < tensor.rank; ++i) program.dims.push_back(reader.take("size of a tensor"));
    }
}

void read_ids(Reader &reader, std::vector<int32_t> &ids, int64_t count, const char *what, int64_t low, int64_t end) {
    for (int64_t i = 0; i < count; ++i) ids.push_back(reader.take32(what, low, end - 1));
}

void read_step(Reader &reader, Program &program, Step &step, const Model &model) {
    const auto n_tensors = static_cast<int64_t>(program.tensors.size());
    const auto n_strings = static_cast<int64_t>(model.strings.size());
    step = {};
    step.kernel = reader.take32("kernel of a step", 0, n_strings - 1);
    step.layer = reader.take32("layer of a step", 0, n_strings - 1);
    step.args = static_cast<int32_t>(program.args.size());
    step.n_inputs = reader.count("n_inputs of a step");
    read_ids(reader, program.args, step.n_inputs, "input of a step", -1, n_tensors);
    step.n_outputs = reader.count("n_outputs of a step");
    read_ids(reader, program.args, step.n_outputs, "output of a step", -1, n_tensors);
    step.n_params = reader.count("n_params of a step");
    step.params = static_cast<int32_t>(program.params.size());
    for (int32_t i = 0; i < step.n_params; ++i) {
        const auto kind = reader.take32("kind of a param", 0, static_cast<int64_t>(ParamKind::Expr));
        program.params.push_back({static_cast<ParamKind>(kind), reader.take("param")});
    }
    step.workspace = reader.take("workspace of a step");
    step.n_programs = reader.take32("n_programs of a step", 0, 16);
    step.programs = static_cast<int32_t>(program.programs.size());
    read_ids(reader, program.programs, step.n_programs, "program of a step", 0,
             static_cast<int64_t>(model.programs.size()));
    step.device = reader.take32("device of a step", 0, 1);
}

void read_program(Reader &reader, Program &program, const Model &model) {
    program.n_inputs = reader.count("n_inputs");
    program.n_outputs = reader.count("n_outputs");
    program.n_params = reader.count("n_params");
    read_sizes(reader, program);
    read_exprs(reader, program);
    read_segments(reader, program);
    read_checks(reader, program, static_cast<int64_t>(model.strings.size()));
    read_storages(reader, program);
    read_tensors(reader, program);
    const auto n_tensors = static_cast<int64_t>(program.tensors.size());
    read_ids(reader, program.inputs, program.n_inputs, "input of a program", 0, n_tensors);
    read_ids(reader, program.outputs, program.n_outputs, "output of a program", 0, n_tensors);
    for (Step &step : program.steps) read_step(reader, program, step, model);
}

}  // namespace

void read_programs(Model &model, const int64_t *words, int64_t n_words) {
    Reader reader(words, n_words);
    const int64_t version = reader.take("version");
    if (version != WORDS_VERSION)
        fail(EW_INVALID_PLAN, "version %lld of the words, this library reads version %lld",
             static_cast<long long>(version), static_cast<long long>(WORDS_VERSION));
    model.programs.resize(static_cast<size_t>(reader.count("n_programs")));
    int32_t index = 0;
    for (Program &program : model.programs) {
        program.index = index++;
        read_program(reader, program, model);
    }
    if (!reader.done()) fail(EW_INVALID_PLAN, "words are left over behind the last program");
}

void read_strings(Model &model, const char *bytes, int64_t n_bytes) {
    constexpr int64_t WORD = sizeof(int64_t);
    if (n_bytes == 0) return;
    int64_t first = 0;
    if (n_bytes >= WORD) std::memcpy(&first, bytes, sizeof first);
    if (first < WORD || first > n_bytes || first % WORD != 0)
        fail(EW_INVALID_PLAN, "the strings do not begin with their offsets");
    const int64_t n_strings = first / WORD - 1;
    int64_t begin = first;
    for (int64_t i = 1; i <= n_strings; ++i) {
        int64_t end;
        std::memcpy(&end, bytes + i * WORD, sizeof end);
        if (end < begin || end > n_bytes)
            fail(EW_INVALID_PLAN, "string %lld is out of bounds", static_cast<long long>(i - 1));
        model.strings.emplace_back(bytes + begin, static_cast<size_t>(end - begin));
        begin = end;
    }
}

}  // namespace ew
