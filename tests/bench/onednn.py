"""Matrix products of oneDNN 3 (package onednn-cpu-gomp), called through its C interface: a yardstick for ours."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

Array = np.ndarray[Any, Any]
BF16, F32, S32, S8, U8 = 2, 3, 4, 5, 6
ANY_TAG, CPU, IN_ORDER = 1, 1, 1
WEIGHTS_MD = 131
SRC, WEIGHTS, DST = 1, 33, 17
ALLOCATE = ctypes.c_void_p(-1)


class _Argument(ctypes.Structure):
    _fields_: ClassVar = [("arg", ctypes.c_int), ("memory", ctypes.c_void_p)]


class OneDnn:
    """The library, with an engine and a stream."""

    def __init__(self) -> None:
        """OSError where the package is not installed."""
        self._gomp = ctypes.CDLL("libgomp.so.1", ctypes.RTLD_GLOBAL)
        self._library = ctypes.CDLL(str(Path(sys.prefix) / "lib" / "libdnnl.so.3"))
        self.engine = self.make("dnnl_engine_create", ctypes.c_int(CPU), ctypes.c_size_t(0))
        self.stream = self.make("dnnl_stream_create", self.engine, ctypes.c_uint(IN_ORDER))

    def set_threads(self, threads: int) -> None:
        """For the products made and run from now on."""
        self._gomp.omp_set_num_threads(threads)

    def call(self, function: str, *arguments: Any) -> None:
        """RuntimeError unless the status is success."""
        status = getattr(self._library, function)(*arguments)
        if status != 0:
            raise RuntimeError(f"{function} gave status {status}")

    def make(self, function: str, *arguments: Any) -> ctypes.c_void_p:
        """The object that a function makes; objects live as long as the process."""
        made = ctypes.c_void_p()
        self.call(function, ctypes.byref(made), *arguments)
        return made

    def query(self, descriptor: ctypes.c_void_p, what: int) -> ctypes.c_void_p:
        """A memory descriptor of a primitive's."""
        function = self._library.dnnl_primitive_desc_query_md
        function.restype = ctypes.c_void_p
        return ctypes.c_void_p(function(descriptor, ctypes.c_int(what), ctypes.c_int(0)))

    def matrix(self, shape: tuple[int, int], dtype: int, *, packed: bool = False) -> ctypes.c_void_p:
        """A memory descriptor: rows one after the other, or the layout that oneDNN likes best."""
        sizes, strides = (ctypes.c_int64 * 2)(*shape), (ctypes.c_int64 * 2)(shape[1], 1)
        if packed:
            return self.make("dnnl_memory_desc_create_with_tag", 2, sizes, dtype, ANY_TAG)
        return self.make("dnnl_memory_desc_create_with_strides", 2, sizes, dtype, strides)

    def execute(self, primitive: ctypes.c_void_p, memories: dict[int, ctypes.c_void_p]) -> None:
        """Run and wait."""
        arguments = (_Argument * len(memories))(*(_Argument(key, memory) for key, memory in memories.items()))
        self.call("dnnl_primitive_execute", primitive, self.stream, len(memories), arguments)
        self.call("dnnl_stream_wait", self.stream)


class Product:
    """a [m, k] times b [k, n], whose weights are packed before: `run` computes it into `c`."""

    def __init__(self, library: OneDnn, a: Array, b: Array, types: tuple[int, int, int]) -> None:
        """`types`: of a, b and c, by oneDNN's numbers; bfloat16 and 8-bit arrays as NumPy has them."""
        self._library, self._keep = library, (a, b)
        (m, k), n, (type_a, type_b, type_c) = a.shape, b.shape[1], types
        self.c = np.zeros((m, n), np.int32 if type_c == S32 else np.float32)
        source, target = library.matrix((m, k), type_a), library.matrix((m, n), type_c)
        plain, packed = library.matrix((k, n), type_b), library.matrix((k, n), type_b, packed=True)
        engine = library.engine
        made = library.make("dnnl_matmul_primitive_desc_create", engine, source, packed, None, target, None)
        chosen = library.query(made, WEIGHTS_MD)
        weights = library.make("dnnl_memory_create", chosen, engine, ALLOCATE)
        reorder = library.make("dnnl_reorder_primitive_desc_create", plain, engine, chosen, engine, None)
        given = self._memory(plain, b)
        library.execute(library.make("dnnl_primitive_create", reorder), {SRC: given, DST: weights})
        self._primitive = library.make("dnnl_primitive_create", made)
        memories = {SRC: self._memory(source, a), WEIGHTS: weights, DST: self._memory(target, self.c)}
        self._arguments = (_Argument * 3)(*(_Argument(key, memory) for key, memory in memories.items()))

    def run(self) -> None:
        """One product."""
        self._library.call("dnnl_primitive_execute", self._primitive, self._library.stream, 3, self._arguments)

    def _memory(self, descriptor: ctypes.c_void_p, array: Array) -> ctypes.c_void_p:
        address = ctypes.c_void_p(array.ctypes.data)
        return self._library.make("dnnl_memory_create", descriptor, self._library.engine, address)
