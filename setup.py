"""Compiles the kernels: `_C` for torch (CPU, and CUDA where nvcc is found) and `_core`.

Environment:
  QACONV_CUDA=0|1                 leave CUDA out, or insist on it (default: wherever nvcc is found)
  QACONV_CUDA_ARCHITECTURES       compute capabilities, instead of csrc/cuda_architectures.txt
  QACONV_CUDA_EMBED=ptx           for the emulated device: shared cudart and PTX instead of the
                                  static one and machine code
  QACONV_COMPILE=0                install without kernels; the pure-PyTorch reference answers
  QACONV_DEBUG=1                  without optimization, with symbols (-G too): for a debugger
"""

import os
import re
import sys
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent
sys.path.append(str(ROOT / "build_backend"))
import qaconv_check  # noqa: E402

# LibTorch's stable ABI at 2.10: one binary for every torch from there on.
TORCH_TARGET_VERSION = "0x020a000000000000"
DEBUG = os.environ.get("QACONV_DEBUG") == "1"
# The commands that only ask for names and versions must work without torch or a compiler.
COMPILES = {"build_ext", "build", "bdist_wheel", "develop", "editable_wheel", "install"}


def read_list(path: str) -> list[str]:
    lines = (ROOT / path).read_text().splitlines()
    return [line for line in (line.split("#")[0].strip() for line in lines) if line]


def sources(*groups: str) -> list[str]:
    pairs = [line.split() for line in read_list("csrc/sources.txt")]
    return [path for group, path in pairs if group in groups]


def version() -> str:
    return re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M).group(1)


def architectures() -> list[str]:
    text = os.environ.get("QACONV_CUDA_ARCHITECTURES")
    return re.split(r"[ ,;]+", text) if text else read_list("csrc/cuda_architectures.txt")


def cuda_flags(ptx: bool) -> list[str]:
    numbers = [a.replace(".", "") for a in architectures()]
    if ptx:
        kinds = [f"arch=compute_{numbers[0]},code=compute_{numbers[0]}"]
    else:
        kinds = [f"arch=compute_{n},code=sm_{n}" for n in numbers]
        kinds.append(f"arch=compute_{numbers[-1]},code=compute_{numbers[-1]}")
    flags = [word for kind in kinds for word in ("-gencode", kind)]
    # A debug build can be stepped through: gdb, cuda-gdb. No -lineinfo: the line tables (for
    # profilers) hold whole paths of the sources, and nvcc maps none. See CONTRIBUTING.md.
    speed = ["-O0", "-g", "-G"] if DEBUG else ["-O3"]
    return [*flags, *speed, "-std=c++17", *(["--no-compress"] if ptx else [])]


def extensions() -> tuple[list, dict]:
    qaconv_check.tools()
    qaconv_check.cxx_compiler()
    home = qaconv_check.cuda_home()
    ptx = os.environ.get("QACONV_CUDA_EMBED") == "ptx"
    if ptx:
        os.environ.setdefault("QACONV_CUDA_ARCHITECTURES", "8.0")
    folder = qaconv_check.torch_folder()
    if folder is None:
        qaconv_check.stop("no torch was found to compile against. First: pip install torch")
    if home is not None:
        qaconv_check.toolkit(home, architectures(), folder)
    # cpp_extension decides about architectures by the GPU it sees, and fails where it sees none.
    os.environ["TORCH_CUDA_ARCH_LIST"] = ";".join(architectures())

    import pybind11
    import torch
    from pybind11.setup_helpers import Pybind11Extension
    from torch.utils import cpp_extension

    macros = [
        ("TORCH_TARGET_VERSION", TORCH_TARGET_VERSION),
        ("QACONV_VERSION", f'"{version()}"'),
    ]
    # No error names a path of the machine that built the library: neither of the checkout nor of
    # the packages with the headers. nvcc hands this to the host compiler.
    packages = dict.fromkeys(Path(module.__file__).parents[1] for module in (torch, pybind11))
    mapped = [f"-ffile-prefix-map={folder}=site-packages" for folder in packages]
    mapped.append(f"-ffile-prefix-map={ROOT}=.")
    # -g0 takes back the -g that Python's own flags may hold.
    level = ["-O0", "-g"] if DEBUG else ["-O3", "-g0", *mapped]
    host = [] if DEBUG else [word for option in mapped for word in ("-Xcompiler", option)]
    cxx = [*level, "-std=c++17", "-fvisibility=hidden", "-Wall"]
    link = ["-Wl,-z,defs", "-Wl,--as-needed"] if sys.platform == "linux" else []
    groups = ["cpu", "ops"]
    include = [str(ROOT / "csrc")]
    if home is not None:
        groups += ["cuda", "ops-cuda"]
        # Set for a torch without CUDA too: it compiles .cu files in a CppExtension all the same,
        # while its CUDAExtension refuses. CppExtension does not link cudart: named here. Static, so
        # that the library loads where there is no CUDA; shared only to be replaced by the emulator.
        cpp_extension.CUDA_HOME = str(home)
        os.environ["CUDA_HOME"] = str(home)
        macros += [
            ("USE_CUDA", None),
            ("QACONV_CUDA_VERSION", f'"{qaconv_check.nvcc_version(home)}"'),
            ("QACONV_CUDA_ARCHITECTURES", f'"{" ".join(architectures())}{" ptx" if ptx else ""}"'),
        ]
        include.append(str(home / "include"))
        link += [f"-L{home / 'lib64'}", "-lcudart" if ptx else "-lcudart_static"]
        link += ["-ldl", "-lrt", "-lpthread"]
    else:
        link += ["-ldl"]
    print(f"qaconv-ext: CUDA {'from ' + str(home) if home else 'left out'}", flush=True)

    ops = cpp_extension.CppExtension(
        "qaconv_ext._C",
        sources(*groups),
        include_dirs=include,
        define_macros=macros,
        extra_compile_args={"cxx": cxx, "nvcc": [*cuda_flags(ptx), *host]},
        extra_link_args=link,
        py_limited_api=True,
    )
    # Of torch's libraries only these are linked: the others are not there in every torch.
    ops.libraries = ["c10", "torch_cpu"]
    core = Pybind11Extension(
        "qaconv_ext._core",
        sources("cpu", "pybind"),
        include_dirs=[str(ROOT / "csrc")],
        define_macros=[m for m in macros if m[0].startswith("QACONV")],
        extra_compile_args=[*level, "-Wall"],
        cxx_std=17,
    )

    class BuildExtension(cpp_extension.BuildExtension):
        """torch's, which compiles with ninja; `_core` must not see torch's copy of pybind11."""

        def get_ext_filename(self, name: str) -> str:
            # Loaded by torch.ops.load_library, not imported: no Python version in its name.
            *folders, last = name.split(".")
            if last == "_C":
                return os.path.join(*folders, "_C.so")
            return super().get_ext_filename(name)

    return [ops, core], {"build_ext": BuildExtension}


compiles = os.environ.get("QACONV_COMPILE", "1") != "0" and bool(COMPILES & set(sys.argv))
ext_modules, cmdclass = extensions() if compiles else ([], {})
setup(
    packages=[
        *(
            str(p.parent.relative_to(ROOT)).replace("/", ".")
            for p in sorted(ROOT.glob("qaconv_ext/**/__init__.py"))
        ),
        *(
            str(p.parent.relative_to(ROOT / "python")).replace("/", ".")
            for p in sorted(ROOT.glob("python/qaconv_reid/**/__init__.py"))
        ),
    ],
    package_dir={"qaconv_ext": "qaconv_ext", "qaconv_reid": "python/qaconv_reid"},
    package_data={
        "qaconv_ext": ["py.typed", "*.pyi", "_C.so"],
        "qaconv_reid": [
            "py.typed",
            "configs/*.toml",
            "people/assets/*",
            "reports/html/templates/*",
            "serve/page/*",
        ],
    },
    ext_modules=ext_modules,
    cmdclass=cmdclass,
)
