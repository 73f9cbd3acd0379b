// Kernels by name. A kernel whose instruction set this machine lacks does not exist here.
#include "registry.h"

#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace ew {

namespace {

struct Table {
    std::mutex mutex;
    std::deque<std::string> names;  // deques never move what they hold: callers keep the pointers
    std::deque<ew_kernel> kernels;
    std::map<std::string_view, const ew_kernel *> by_name;
};

// Never destroyed: kernels of other libraries may be looked up while the process ends.
Table &table() {
    static Table *instance = new Table;
    return *instance;
}

bool cpu_has([[maybe_unused]] std::string_view isa) {
    if (isa == "portable") return true;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    if (isa == "avx2") return avx2;
    if (isa == "avx512")
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vnni") &&
               __builtin_cpu_supports("avx512bf16");
#endif
    return false;
}

std::string list_isas() {
    std::string list;
    const auto add = [&list](const char *isa) {
        if (!cpu_has(isa)) return;
        if (!list.empty()) list += ' ';
        list += isa;
    };
#ifdef EW_HAVE_AVX512
    add("avx512");
#endif
#ifdef EW_HAVE_AVX2
    add("avx2");
#endif
    add("portable");
    return list;
}

}  // namespace

const char *available_isas() {
    static const std::string *list = new std::string(list_isas());
    return list->c_str();
}

bool isa_available(const char *isa) {
    const std::string_view all = available_isas(), one = isa;
    for (size_t at = all.find(one); at != std::string_view::npos; at = all.find(one, at + 1)) {
        const size_t end = at + one.size();
        if ((at == 0 || all[at - 1] == ' ') && (end == all.size() || all[end] == ' ')) return true;
    }
    return false;
}

bool add_kernel(const char *name, KernelFn run) {
    Table &t = table();
    const std::lock_guard lock(t.mutex);
    if (const auto found = t.by_name.find(name); found != t.by_name.end()) return found->second->run == run;
    const std::string &kept = t.names.emplace_back(name);
    const ew_kernel &entry = t.kernels.emplace_back(ew_kernel{kept.c_str(), run});
    t.by_name.emplace(kept, &entry);
    return true;
}

const ew_kernel *find_kernel(const char *name) {
    Table &t = table();
    const std::lock_guard lock(t.mutex);
    const auto found = t.by_name.find(name);
    return found == t.by_name.end() ? nullptr : found->second;
}

int64_t kernel_count() {
    Table &t = table();
    const std::lock_guard lock(t.mutex);
    return static_cast<int64_t>(t.kernels.size());
}

const ew_kernel *kernel_at(int64_t index) {
    Table &t = table();
    const std::lock_guard lock(t.mutex);
    return index >= 0 && index < static_cast<int64_t>(t.kernels.size()) ? &t.kernels[static_cast<size_t>(index)]
                                                                        : nullptr;
}

KernelEntry::KernelEntry(const char *name, const char *isa, KernelFn run) {
    if (!isa_available(isa)) return;
    const std::string full = std::string(name) + '@' + isa;
    add_kernel(full.c_str(), run);
}

}  // namespace ew
