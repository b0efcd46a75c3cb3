"""What surrounds nncore and is heard: NNCORE_ISA, NNCORE_NUM_THREADS, OMP_NUM_THREADS, and threadpoolctl's limits."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import nncore as nn


def run(code, **environment):
    """What a new process says, with no variables but these that limit its threads."""
    clean = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    clean["PYTHONPATH"] = str(Path(nn.__file__).resolve().parent.parent)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**clean, **environment})


def said(code, **environment):
    """The words that it prints."""
    done = run(code, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


COUNT = "import nncore; print(nncore.threads())"
MANY = int(*said(COUNT))  # one per CPU, or fewer where a container's share of their time is worth less


def test_no_more_threads_than_cpus():
    assert 1 <= MANY <= (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())


# ---- the environment -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "openmp", "want"),
    [
        ("", "", MANY),
        ("3", "", 3),
        (" 1 ", "", 1),
        ("", "1", 1),
        ("", " 1 ", 1),
        ("", "1,4", 1),
        ("", "100000", MANY),
        ("", "0", MANY),
        ("", "-1", MANY),
        ("", "all", MANY),
        ("", ",", MANY),
        ("3", "1", 3),
        ("1", "100000", 1),
    ],
)
def test_how_many_threads(own, openmp, want):
    assert said(COUNT, NNCORE_NUM_THREADS=own, OMP_NUM_THREADS=openmp) == [str(want)]


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "1e3"])
def test_wrong_numbers_have_words(value):
    done = run(COUNT, NNCORE_NUM_THREADS=value)
    assert done.returncode != 0
    assert f"NNCORE_NUM_THREADS={value!r}" in done.stderr and "1 or more" in done.stderr


@pytest.mark.parametrize("value", ["avx3", "AVX2!", "sse"])
def test_an_unknown_isa_has_words(value):
    done = run(COUNT, NNCORE_ISA=value)
    assert done.returncode != 0
    assert f"NNCORE_ISA={value!r} is not an instruction set of nncore" in done.stderr and "generic" in done.stderr


def test_an_isa_that_is_not_here_has_words():
    missing = [name for name, here in nn.isas().items() if not here]
    assert missing  # no machine has both AVX and NEON
    done = run(COUNT, NNCORE_ISA=missing[0])
    assert done.returncode != 0 and f"NNCORE_ISA={missing[0]!r} is not available on this machine" in done.stderr


# ---- threadpoolctl ---------------------------------------------------------------------------------------------------

LIMIT = """
from nncore import threads
before = threads()
with threadpoolctl.threadpool_limits(1):
    inside = threads()
with threadpoolctl.threadpool_limits({"nncore": 3}):
    own = threads()
with threadpoolctl.threadpool_limits(1, user_api="blas"):
    others = threads()
known = [entry for entry in threadpoolctl.threadpool_info() if entry["internal_api"] == "nncore"]
awaited = [finder for finder in sys.meta_path if "nncore" in getattr(finder, "__module__", "")]
print(before, inside, own, others, threads(), len(known), known[0]["num_threads"], known[0]["version"], len(awaited))
"""


@pytest.mark.parametrize(
    "imports",
    [
        "import sys, threadpoolctl, nncore",
        "import sys, nncore, threadpoolctl",
        "import sys, nncore, importlib.util; importlib.util.find_spec('threadpoolctl'); import threadpoolctl",
        "import sys, nncore\nclass Old:\n    def find_module(self, name, path=None): return None\n"
        "sys.meta_path.insert(0, Old())\nimport threadpoolctl",
    ],
    ids=["theirs first", "ours first", "looked for in between", "beside a finder of the old kind"],
)
def test_its_limits_hold_whichever_is_imported_first(imports):
    pytest.importorskip("threadpoolctl")
    want = [5, 1, 3, 5, 5, 1, 5, nn.__version__, 0]
    assert said(imports + LIMIT, NNCORE_NUM_THREADS="5") == [str(one) for one in want]


def test_without_it_nothing_is_amiss(tmp_path):
    """Not installed, too old to take controllers, or broken: the import says what it always says."""
    here = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import nncore; "
    missing = "sys.modules['threadpoolctl'] = None\ntry: import threadpoolctl\nexcept ImportError: print('missing')"
    assert said(here + missing) == ["missing"]
    (tmp_path / "threadpoolctl.py").write_text("__version__ = '2.0'")
    assert said(here + "import threadpoolctl; print(threadpoolctl.__version__)") == ["2.0"]
    (tmp_path / "threadpoolctl.py").write_text("1 / 0")
    again = "\nfor turn in range(2):\n    try: import threadpoolctl\n    except ZeroDivisionError: print('broken')"
    assert said(here + again) == ["broken", "broken"]


def test_a_number_of_the_call_itself_stands():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    X, y = nn.datasets.load_digits()
    net = nn.Network([64, 32, 10], output="softmax", seed=0)
    want = net.predict(X)
    with threadpoolctl.threadpool_limits(1):
        assert nn.threads() == 1
        assert (net.predict(X, threads=2) == want).all()
        assert (net.predict(X) == want).all()
