/* The calls by which the Python package has the records of a plan read. Plain C99, read by cffi, too. */
#ifndef ENGINEWRIGHT_RECORDS_API_H
#define ENGINEWRIGHT_RECORDS_API_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* cffi:begin */

/* The JSON of the programs and of the weights of a plan, the weights, and the engine's ends as pairs of type and rank,
 * those of the inputs first; the first n_entries programs have them. */
typedef struct {
    const char *programs;
    int64_t n_programs;
    const char *weights;
    int64_t n_weights;
    const void *bytes;
    int64_t n_bytes;
    const int64_t *ends;
    int64_t n_inputs, n_outputs, n_entries;
    int64_t limit; /* of steps, of tensors, ... over all programs */
} ew_plan_text;

/* The same as ew_model_create wants it; uses_device: some step or storage is on a device. */
typedef struct {
    const int64_t *words;
    int64_t n_words;
    const char *strings;
    int64_t n_strings;
    int32_t uses_device;
} ew_records;

/* NULL where something is wrong or rare: then Python decodes the plan, and says what it found. */
ew_records *ew_records_read(const ew_plan_text *text);
void ew_records_free(ew_records *records);

/* cffi:end */

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif
