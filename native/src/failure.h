// A failure on its way to the C interface, which turns it into a status and a message.
#pragma once

#include <cstdarg>
#include <cstdint>
#include <string>

namespace ew {

struct Failure {
    int32_t status;
    std::string text;
    int32_t program = -1;  // filled in by the innermost frame
    int32_t step = -1;
};

// Throws a Failure with a printf-style message.
[[noreturn]] void fail(int32_t status, const char *format, ...) __attribute__((format(printf, 2, 3)));

std::string format_text(const char *format, va_list values);

}  // namespace ew
