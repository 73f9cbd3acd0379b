// The records of a plan as the words that a model is made of, without Python.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "records_api.h"

namespace ew {

struct RecordWords {
    std::vector<int64_t> words;
    std::string strings;
    bool uses_device = false;
};

// False where Python has to read the plan: out is then of no use.
bool read_records(const ew_plan_text &plan, RecordWords &out);

}  // namespace ew
