/* Deprecations of the C interface, written from deprecations.toml; not edited by hand.
 *
 * EW_NO_DEPRECATION_WARNINGS silences them. EW_DISABLE_BEFORE, for example 0x020000 for 2.0, hides whatever that
 * release removes: what still compiles then is ready for it.
 */
#ifndef ENGINEWRIGHT_DEPRECATED_H
#define ENGINEWRIGHT_DEPRECATED_H

#if defined(EW_NO_DEPRECATION_WARNINGS)
#define EW_DEPRECATED(text)
#define EW_DEPRECATED_ENUM(text)
#elif defined(__cplusplus) && __cplusplus >= 201703L
#define EW_DEPRECATED(text) [[deprecated(text)]]
#define EW_DEPRECATED_ENUM(text) [[deprecated(text)]]
#elif defined(__GNUC__)
#define EW_DEPRECATED(text) __attribute__((deprecated(text)))
#define EW_DEPRECATED_ENUM(text) __attribute__((deprecated(text)))
#elif defined(_MSC_VER)
#define EW_DEPRECATED(text) __declspec(deprecated(text))
#define EW_DEPRECATED_ENUM(text)
#else
#define EW_DEPRECATED(text)
#define EW_DEPRECATED_ENUM(text)
#endif

#ifndef EW_DISABLE_BEFORE
#define EW_DISABLE_BEFORE 0
#endif

#endif
