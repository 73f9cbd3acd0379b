// Reads the records of a plan, which are JSON, into the words of program.h: what Python does record by record, at once.
//
// Only what nearly every plan has is taken, and only in the canonical spelling: keys in their order, no spaces, no
// default written out. Of anything else - texts outside ASCII, Python steps, objects, whatever is wrong - Python decodes
// the records and says what it found, so that there is one place for every message.
#include "records.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <deque>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "program.h"

namespace ew {

namespace {

struct NotHere {};

constexpr int64_t ALIGN = 64;

void need(bool holds) {
    if (!holds) throw NotHere{};
}

// A cursor on JSON in its canonical spelling.
class Json {
  public:
    Json(const char *text, int64_t n) : at_(text), end_(text + n) {}

    bool skip(char c) {
        if (at_ == end_ || *at_ != c) return false;
        ++at_;
        return true;
    }
    void want(char c) { need(skip(c)); }
    void finish() const { need(at_ == end_); }

    // The key of a record, if it comes next: `{"name":`, or with a comma behind another.
    bool key(bool &first, std::string_view name) {
        const auto length = static_cast<std::ptrdiff_t>(name.size());
        if (end_ - at_ < length + 4 || *at_ != (first ? '{' : ',') || at_[1] != '"') return false;
        if (std::memcmp(at_ + 2, name.data(), name.size()) != 0 || at_[length + 2] != '"' || at_[length + 3] != ':')
            return false;
        at_ += length + 4;
        first = false;
        return true;
    }

    int64_t integer() {
        int64_t value = 0;
        const auto [end, error] = std::from_chars(at_, end_, value);
        need(error == std::errc{} && (value == 0 ? end - at_ == 1 : at_[*at_ == '-'] != '0'));
        at_ = end;
        return value;
    }

    int64_t operand() {
        if (at_ == end_ || *at_ != 'n') return integer();
        need(end_ - at_ >= 4 && std::memcmp(at_, "null", 4) == 0);
        at_ += 4;
        return UNKNOWN;
    }

    std::string_view text() {
        want('"');
        const char *begin = at_;
        while (at_ != end_ && *at_ != '"' && *at_ != '\\') need_plain(*at_++);
        const std::string_view plain{begin, static_cast<size_t>(at_ - begin)};
        return skip('"') ? plain : rest_of_text(plain);
    }

    template <class Each>
    int64_t list(Each each) {
        want('[');
        if (skip(']')) return 0;
        int64_t n = 0;
        do {
            each();
            ++n;
        } while (skip(','));
        want(']');
        return n;
    }

    char next() const { return at_ == end_ ? '\0' : *at_; }

  private:
    static void need_plain(char c) { need(static_cast<unsigned char>(c) - 0x20u < 0x60u); }

    // Quotes and backslashes are what names hold that need another before them.
    std::string_view rest_of_text(std::string_view begin) {
        std::string &whole = texts_.emplace_back(begin);
        while (!skip('"')) {
            const bool escaped = skip('\\');
            need(at_ != end_ && (!escaped || *at_ == '"' || *at_ == '\\'));
            need_plain(*at_);
            whole += *at_++;
        }
        return whole;
    }

    const char *at_, *end_;
    std::deque<std::string> texts_;
};

// A field that is left out where it has its default.
int64_t integer_or(Json &json, bool &first, std::string_view name, int64_t missing) {
    if (!json.key(first, name)) return missing;
    const int64_t value = json.operand();
    need(value != missing);
    return value;
}

int64_t number(Json &json, bool &first, std::string_view name) {
    need(json.key(first, name));
    return json.integer();
}

std::string_view text(Json &json, bool &first, std::string_view name) {
    need(json.key(first, name));
    return json.text();
}

// By number as in program.h.
constexpr std::string_view EXPRS[] = {"const", "input_dim", "param", "value",   "data", "add", "sub",
                                      "mul",   "floordiv",  "mod",   "ceildiv", "min",  "max", "broadcast",
                                      "scale", "equal",     "less",  "select",  "pair"};
constexpr std::string_view CHECKS[] = {"equal", "broadcast", "at_least", "at_most"};
constexpr std::string_view STORAGES[] = {"input", "output", "weight", "arena", "grown"};  // a slot holds an object

template <size_t N>
int64_t number_of(std::string_view name, const std::string_view (&names)[N]) {
    for (size_t i = 0; i < N; ++i)
        if (names[i] == name) return static_cast<int64_t>(i);
    throw NotHere{};
}

// The bits of a real number in the spelling of Python's float.hex: -0x1.8000000000000p+1.
int64_t real(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    need(text.starts_with("0x0.") || text.starts_with("0x1."));
    const size_t p = text.find_first_not_of("0123456789abcdef", 4);
    need(p != text.npos && p > 4 && p <= 17 && text.size() > p + 2 && text.size() <= p + 6 && text[p] == 'p');
    need((text[p + 1] == '+' || text[p + 1] == '-') && text.find_first_not_of("0123456789", p + 2) == text.npos);
    double value = 0;
    const auto [end, error] =
        std::from_chars(text.data() + 2, text.data() + text.size(), value, std::chars_format::hex);
    need(error == std::errc{} && end == text.data() + text.size() && std::isfinite(value));
    if (negative) value = -value;
    int64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

class Records {
  public:
    Records(const ew_plan_text &plan, RecordWords &out)
        : plan_(plan), out_(out), programs_(plan.programs, plan.n_programs) {}

    void read() {
        read_weights();
        Json &json = programs_;
        out_.words = {WORDS_VERSION, 0};
        out_.words[1] = json.list([&] { read_program(json); });
        json.finish();
        need(out_.words[1] >= plan_.n_entries);
        for (const int64_t n : counts_) need(n <= plan_.limit);
        write_strings();
    }

  private:
    struct Weight {
        int64_t offset, length;
    };
    struct Ends {
        int64_t dtype, rank;
    };
    enum Count { STEPS, TENSORS, EXPRESSIONS, CONDITIONS, MEMORY, SEGMENTS, INPUTS, OUTPUTS, PROGRAMS, WEIGHTS, KINDS };
    using Words = std::vector<int64_t>;

    // They follow each other at multiples of ALIGN and end with the section; what lies between is zero.
    void read_weights() {
        Json json(plan_.weights, plan_.n_weights);
        int64_t end = 0;
        counts_[WEIGHTS] = json.list([&] {
            bool first = true;
            const int64_t length = number(json, first, "length");
            text(json, first, "name");
            const int64_t offset = number(json, first, "offset");
            if (json.key(first, "pack")) need(!json.text().empty());
            if (json.key(first, "params")) need(json.list([&] { read_param(json); }) > 0);
            json.want('}');
            need(offset == (end + ALIGN - 1) / ALIGN * ALIGN && length >= 0 && length <= plan_.n_bytes - offset);
            for (; end < offset; ++end) need(static_cast<const char *>(plan_.bytes)[end] == 0);
            end = offset + length;
            weights_.push_back({offset, length});
        });
        json.finish();
        need(end == plan_.n_bytes);
    }

    int64_t string(std::string_view text) {
        const auto [found, added] = numbers_.try_emplace(text, static_cast<int64_t>(strings_.size()));
        if (added) strings_.push_back(text);
        return found->second;
    }

    void write_strings() {
        Words offsets{static_cast<int64_t>(sizeof(int64_t) * (strings_.size() + 1))};
        for (const auto text : strings_) offsets.push_back(offsets.back() + static_cast<int64_t>(text.size()));
        out_.strings.assign(reinterpret_cast<const char *>(offsets.data()), sizeof(int64_t) * offsets.size());
        for (const auto text : strings_) out_.strings += text;
    }

    static void add(Words &words, std::initializer_list<int64_t> more) { words.insert(words.end(), more); }

    std::pair<int64_t, int64_t> read_param(Json &json) {
        if (json.next() == '"') return {static_cast<int64_t>(ParamKind::Float), real(json.text())};
        if (!json.skip('[')) return {static_cast<int64_t>(ParamKind::Int), json.integer()};
        const int64_t value = json.integer();
        json.want(']');
        if (value >= 0) return {static_cast<int64_t>(ParamKind::Int), value};
        return {static_cast<int64_t>(ParamKind::Expr), ~value};
    }

    int64_t read_integers(Json &json, Words &words) {
        return json.list([&] { words.push_back(json.integer()); });
    }

    void read_check(Json &json, Words &words) {
        bool first = true;
        need(json.key(first, "a"));
        const int64_t a = json.operand();
        need(json.key(first, "b"));
        const int64_t b = json.operand(), kind = number_of(text(json, first, "kind"), CHECKS);
        add(words, {kind, a, b, string(text(json, first, "label"))});
        json.want('}');
    }

    void read_expr(Json &json, Words &words) {
        json.want('[');
        words.push_back(number_of(json.text(), EXPRS));
        for (int i = 0; i < 2; ++i) {
            json.want(',');
            words.push_back(json.integer());
        }
        json.want(']');
    }

    void read_segment(Json &json, Words &words) {
        bool first = true;
        const int64_t checks = number(json, first, "checks"), exprs = number(json, first, "exprs");
        add(words, {exprs, checks, number(json, first, "steps")});
        json.want('}');
    }

    void read_storage(Json &json, Words &words) {
        bool first = true;
        const int64_t device = integer_or(json, first, "device", 0), begin = integer_or(json, first, "first", 0);
        const int64_t kind = number_of(text(json, first, "kind"), STORAGES);
        const int64_t last = integer_or(json, first, "last", 0), segment = integer_or(json, first, "segment", 0);
        int64_t size = integer_or(json, first, "size", 0), value = integer_or(json, first, "value", 0);
        json.want('}');
        need(device != UNKNOWN && begin != UNKNOWN && last != UNKNOWN && segment != UNKNOWN && value != UNKNOWN);
        if (kind == static_cast<int64_t>(StorageKind::Weight)) {
            need(value >= 0 && value < static_cast<int64_t>(weights_.size()));
            size = weights_[static_cast<size_t>(value)].length;
            value = weights_[static_cast<size_t>(value)].offset;
        }
        out_.uses_device |= device != 0;
        add(words, {kind, value, size, begin, last, segment, device});
    }

    void read_tensor(Json &json, Words &words, std::vector<Ends> &ends) {
        bool first = true;
        const int64_t dtype = number(json, first, "dtype"), format = integer_or(json, first, "format", 0);
        need(format != UNKNOWN);
        text(json, first, "name");
        const int64_t offset = integer_or(json, first, "offset", 0);
        need(json.key(first, "shape"));
        const size_t start = words.size();
        add(words, {dtype, format, 0, offset, 0});
        const int64_t rank = json.list([&] { words.push_back(json.operand()); });
        words[start + 2] = number(json, first, "storage");
        words[start + 4] = rank;
        json.want('}');
        ends.push_back({dtype, rank});
    }

    void read_step(Json &json, Words &words) {
        bool first = true;
        const int64_t device = integer_or(json, first, "device", 0);
        const size_t start = words.size();
        add(words, {0, 0, 0});
        need(device != UNKNOWN && json.key(first, "inputs"));
        words[start + 2] = read_integers(json, words);
        const std::string_view kernel = text(json, first, "kernel");
        need(kernel != "python");
        words[start] = string(kernel);
        words[start + 1] = string(text(json, first, "layer"));
        need(json.key(first, "outputs"));
        read_counted(words, [&] { return read_integers(json, words); });
        read_counted(words, [&] {
            if (!json.key(first, "params")) return int64_t{0};
            const int64_t n = json.list([&] {
                const auto [kind, value] = read_param(json);
                add(words, {kind, value});
            });
            need(n > 0);
            return n;
        });
        nested_.clear();
        if (json.key(first, "programs")) need(read_integers(json, nested_) > 0);
        if (json.key(first, "sources")) need(json.list([&] { json.text(); }) > 0);
        add(words, {integer_or(json, first, "workspace", 0), static_cast<int64_t>(nested_.size())});
        words.insert(words.end(), nested_.begin(), nested_.end());
        words.push_back(device);
        json.want('}');
        out_.uses_device |= device != 0;
    }

    template <class Read>
    static void read_counted(Words &words, Read read) {
        const size_t place = words.size();
        words.push_back(0);
        words[place] = read();
    }

    // A list under its key; its length is counted over all programs.
    template <class Each>
    int64_t read_list(Json &json, bool &first, std::string_view name, Count count, Each each) {
        need(json.key(first, name));
        const int64_t n = json.list(each);
        counts_[count] += n;
        return n;
    }

    void read_program(Json &json) {
        bool first = true;
        Words checks, exprs, inputs, outputs, segments, steps, storages, tensors;
        std::vector<Ends> ends;
        const int64_t n_checks = read_list(json, first, "checks", CONDITIONS, [&] { read_check(json, checks); });
        const int64_t n_exprs = read_list(json, first, "exprs", EXPRESSIONS, [&] { read_expr(json, exprs); });
        read_list(json, first, "inputs", INPUTS, [&] { inputs.push_back(json.integer()); });
        const int64_t n_params = number(json, first, "n_params");
        text(json, first, "name");
        read_list(json, first, "outputs", OUTPUTS, [&] { outputs.push_back(json.integer()); });
        const int64_t n_segments = read_list(json, first, "segments", SEGMENTS, [&] { read_segment(json, segments); });
        const int64_t n_steps = read_list(json, first, "steps", STEPS, [&] { read_step(json, steps); });
        const int64_t n_storages = read_list(json, first, "storages", MEMORY, [&] { read_storage(json, storages); });
        const int64_t n_tensors = read_list(json, first, "tensors", TENSORS, [&] { read_tensor(json, tensors, ends); });
        json.want('}');
        if (counts_[PROGRAMS]++ < plan_.n_entries) {
            need(n_params == 0);
            check_ends(inputs, ends, plan_.ends, plan_.n_inputs);
            check_ends(outputs, ends, plan_.ends + 2 * plan_.n_inputs, plan_.n_outputs);
        }
        add(out_.words, {static_cast<int64_t>(inputs.size()), static_cast<int64_t>(outputs.size()), n_params, n_exprs,
                         n_segments, n_checks, n_storages, n_tensors, n_steps});
        for (const Words *part : {&exprs, &segments, &checks, &storages, &tensors, &inputs, &outputs, &steps})
            out_.words.insert(out_.words.end(), part->begin(), part->end());
    }

    // A program that is run from outside takes the inputs of the engine and gives its outputs.
    static void check_ends(const Words &ids, const std::vector<Ends> &tensors, const int64_t *wanted, int64_t n) {
        need(static_cast<int64_t>(ids.size()) == n);
        for (const int64_t id : ids) {
            need(id >= 0 && id < static_cast<int64_t>(tensors.size()));
            const Ends &tensor = tensors[static_cast<size_t>(id)];
            need(tensor.dtype == wanted[0] && tensor.rank == wanted[1]);
            wanted += 2;
        }
    }

    const ew_plan_text &plan_;
    RecordWords &out_;
    Json programs_;  // keeps the texts that numbers_ knows
    std::vector<Weight> weights_;
    std::unordered_map<std::string_view, int64_t> numbers_;
    std::vector<std::string_view> strings_;
    Words nested_;
    int64_t counts_[KINDS] = {};
};

}  // namespace

bool read_records(const ew_plan_text &plan, RecordWords &out) {
    try {
        Records(plan, out).read();
        return true;
    } catch (const NotHere &) {
        return false;
    }
}

}  // namespace ew
