"""The one door to native code: the C library, its ABI check, and its errors as exceptions."""
