"""The C core on its own: tests/ctest built and run on every instruction set at hand, and hashes of its results
compared.

What this machine's CPU lacks is built all the same where the tools are installed: AVX-512 through SIMDe, NEON by a
cross compiler and run under qemu. Those builds are without optimisation, to be quick, and give hashes only; .ci/run
builds them as they are built for use and runs all of their checks.
"""

import os
import platform
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CSRC, CTEST = ROOT / "csrc", ROOT / "tests" / "ctest"
PROGRAMS = sorted(path.stem for path in CTEST.glob("test_*.c"))
HASHED = [name for name in PROGRAMS if "--hash" in (CTEST / f"{name}.c").read_text()]
X86 = platform.machine() in ("x86_64", "AMD64")

pytestmark = pytest.mark.skipif(
    not CSRC.is_dir() or not shutil.which("cc"), reason="needs the sources and a C compiler"
)


class Build:
    """The core compiled once, and test programs linked with it on demand."""

    def __init__(self, folder, compiler, flags, replaced=(), run=(), libraries=("-lm", "-lpthread"), but=None):
        # but: another Build, whose objects do for all files but those in `replaced`
        self.folder, self.compiler, self.run_with, self.libraries = folder, compiler, list(run), libraries
        self.flags = ["-std=gnu11", "-ffp-contract=off", "-Wall", "-Wextra", f"-I{CSRC}", *flags]
        replaced = dict(replaced)
        paths = [*CSRC.glob("*.c"), *CSRC.glob("isa/*.c")]
        sources = [replaced.get(path.name, path) for path in paths if but is None or path.name in replaced]
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            self.objects = list(pool.map(self._object, sources))
        if but is not None:
            self.objects += [one for one in but.objects if f"{Path(one).stem}.c" not in replaced]

    def _object(self, source):
        target = self.folder / f"{source.stem}.o"
        command([self.compiler, *self.flags, "-c", str(source), "-o", str(target)])
        return str(target)

    def run(self, program, *arguments):
        binary = self.folder / program
        if not binary.exists():
            command(
                [
                    self.compiler,
                    *self.flags,
                    str(CTEST / f"{program}.c"),
                    *self.objects,
                    *self.libraries,
                    "-o",
                    str(binary),
                ]
            )
        return command([*self.run_with, str(binary), *arguments])

    def hashes(self, program):
        """{isa: {kernel: hash}}"""
        found = {}
        for line in self.run(program, "--hash").splitlines():
            if line.startswith("# "):
                found[line[2:]] = {}
            else:
                kernel, value = line.rsplit(None, 1)
                found[list(found)[-1]][kernel] = value
        return found


def command(words):
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def native(tmp_path_factory):
    return Build(tmp_path_factory.mktemp("native"), "cc", ["-O1"])


@pytest.mark.parametrize("program", PROGRAMS)
def test_program(program, native):
    assert "all good" in native.run(program)


@pytest.fixture(scope="session")
def here(native):
    """program -> hashes of this machine's ISAs that have FMA (x86's generic code has not)."""
    found = {program: native.hashes(program) for program in HASHED}
    if X86:
        for isas in found.values():
            isas.pop("generic")
    return found


@pytest.mark.parametrize("program", HASHED)
def test_isas_of_this_machine_agree(program, here):
    compare(program, here, here[program])


def compare(program, here, others):
    isas = here[program]
    assert isas, "no instruction set with FMA here"
    first = next(iter(isas.values()))
    assert len(first) >= 8
    for isa, hashes in others.items():
        assert hashes == first, isa


@pytest.mark.skipif(not X86 or not Path("/usr/include/simde/x86/avx512.h").exists(), reason="needs x86-64 and SIMDe")
def test_avx512_by_simde_agrees(here, tmp_path):
    flags = ["-O0", "-w", "-mavx2", "-mfma", "-D__builtin_cpu_supports(x)=1"]
    if "avx512" in here[HASHED[0]]:
        pytest.skip("this CPU has AVX-512 itself")
    build = Build(tmp_path, "cc", flags, {"avx512.c": CTEST / "avx512_simde.c"})
    for program in HASHED:
        compare(program, here, {"avx512": build.hashes(program)["avx512"]})


@pytest.mark.parametrize("halves", [0, 1])
def test_wide_vectors_whole_and_in_halves_agree(halves, native, here, tmp_path):
    if "avx512" not in here["test_products"]:
        pytest.skip("only AVX-512 asks")
    build = Build(tmp_path, "cc", ["-O1", f"-DNNC_IN_HALVES={halves}"], {"machine.c": CSRC / "machine.c"}, but=native)
    compare("test_products", here, {"avx512": build.hashes("test_products")["avx512"]})


@pytest.mark.skipif(not X86, reason="needs x86-64")
def test_avx_vnni_by_hand_agrees(native, here, tmp_path):
    if "avx2" not in here[HASHED[0]]:
        pytest.skip("this CPU has no AVX2")
    replaced = {"avx2.c": CTEST / "avx2_vnni.c", "dispatch.c": CSRC / "dispatch.c"}
    build = Build(tmp_path, "cc", ["-O0", "-DHAS_AVX2_DOT=1"], replaced, but=native)
    assert "all good" in build.run("test_plan")  # where both ways to a dot product are compared, too
    compare("test_plan", here, {"avx2": build.hashes("test_plan")["avx2"]})


ARM_COMPILER, ARM_RUNNER = (
    shutil.which("aarch64-linux-gnu-gcc"),
    shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static"),
)


@pytest.mark.skipif(not X86 or not ARM_COMPILER or not ARM_RUNNER, reason="needs a cross compiler for ARM and qemu")
def test_neon_under_emulation_agrees(here, tmp_path):
    build = Build(tmp_path, ARM_COMPILER, ["-O0", "-static"], run=[ARM_RUNNER])
    for program in HASHED:
        hashes = build.hashes(program)
        assert set(hashes) == {"neon", "generic"}
        compare(program, here, hashes)  # generic code has FMA there, and agrees as well
