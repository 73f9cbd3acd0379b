// Messages of failures, made printf-style because kernels in C make theirs so.
#include "failure.h"

#include <cstdio>

namespace ew {

std::string format_text(const char *format, va_list values) {
    va_list again;
    va_copy(again, values);
    const int length = std::vsnprintf(nullptr, 0, format, values);
    std::string text(length > 0 ? static_cast<size_t>(length) : 0, '\0');
    if (length > 0) std::vsnprintf(text.data(), text.size() + 1, format, again);
    va_end(again);
    return text;
}

void fail(int32_t status, const char *format, ...) {
    va_list values;
    va_start(values, format);
    Failure failure{status, format_text(format, values)};
    va_end(values);
    throw failure;
}

}  // namespace ew
