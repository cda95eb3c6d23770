"""How much faster many GANs are trained as one than one by one.

`python benchmarks/generators_ensemble.py` prints the seconds of both for 16 networks on records of
Location30's size, and how far their samples differ; `--side 28 --models 4 --epochs 5` for networks
of convolutions on images of so many pixels a side.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from sklearn.base import clone

from mia_sklearn.torch import GAN, train_gans


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=int, default=16)
    parser.add_argument("--records", type=int, default=200, help="of each training set")
    parser.add_argument("--features", type=int, default=446)
    parser.add_argument("--side", type=int, default=0, help="of images, in place of features")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    record = (1, args.side, args.side) if args.side else (args.features,)
    shape = (args.models, args.records, *record)
    tables = (np.random.default_rng(0).random(shape) < 0.1).astype(np.float32)
    gan = GAN(max_epochs=args.epochs, device=args.device)
    # What torch loads at first use is not timed.
    train_gans(clone(gan).set_params(max_epochs=1), tables[:2], [0, 1])
    seconds, models = {}, {}
    for way in ("one by one", "as one"):
        start, worked = time.perf_counter(), time.process_time()
        if way == "as one":
            models[way] = train_gans(gan, tables, range(args.models), n_jobs=args.threads)
        else:
            models[way] = [
                clone(gan).set_params(random_state=seed).fit(X) for seed, X in enumerate(tables)
            ]
        seconds[way] = time.perf_counter() - start, time.process_time() - worked
    apart = [
        np.abs(one.sample(100, 0) - other.sample(100, 0)).max()
        for one, other in zip(*models.values(), strict=True)
    ]
    print(
        f"{args.models} GANs, {args.records} records of shape {record}, {args.epochs} "
        f"epochs, {args.threads} thread(s), {args.device}\n"
    )
    print("| way | seconds | seconds of processor |")
    print("| --- | --- | --- |")
    for way, (wall, worked) in seconds.items():
        print(f"| {way} | {wall:.1f} | {worked:.1f} |")
    ratios = [a / b for a, b in zip(*seconds.values(), strict=True)]
    print(
        f"\nAs one: {ratios[0]:.1f} times as fast, {ratios[1]:.1f} times by time of processor; "
        f"samples differ by {np.median(apart):.1g} in the median network."
    )


if __name__ == "__main__":
    main()
