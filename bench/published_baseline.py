#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The lore authors
"""What bench_pipeline compares with, written from the paper's equations, on a preference file.

published    one Adam over basis V and logits of the protocol `paper`; every iteration forms X (V W'), a matrix of
             comparisons x users, and gathers one entry a row. Few-shot: 500 Adam steps for every user.
tuned_torch  the objective that lore minimises (ridge on V, w = (1, delta), delta ~ N(0, I), weights at their mode)
             by L-BFGS, scores X V once an evaluation.
sklearn      LogisticRegression (lbfgs) at K = 1, the same objective.
With --protocol regularised only `published` runs: each iteration one Adam step on the logits, then one on V with the
cosine penalty, both from X (V W').

Prints one JSON object a line: {"system", "work", "rank", "seconds" (a list, one a run), "projected", "passes",
"objective", "test_accuracy"}. Debian: python3-torch, python3-sklearn.
"""
import argparse
import json
import math
import time

import numpy as np
import torch


def read(path):
    """Tensors of a safetensors file, as numpy arrays; bf16 widened to f32."""
    raw = np.memmap(path, dtype=np.uint8, mode="r")
    length = int(raw[:8].view("<u8")[0])
    header = json.loads(bytes(raw[8 : 8 + length]))
    kinds = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "U8": "u1"}
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        values = np.frombuffer(raw[begin:end].tobytes(), dtype=kinds[entry["dtype"]])
        if entry["dtype"] == "BF16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        tensors[name] = values.reshape(entry["shape"])
    return tensors


class Part:
    """Differences (n, d) of one partition and the user of each row, counted from 0."""

    def __init__(self, tensors, partition, users=None):
        given = tensors.get("partition", np.zeros(len(tensors["user"]), np.uint8))
        rows = np.flatnonzero(given == partition)
        if "differences" in tensors:
            x = tensors["differences"][rows].astype(np.float32)
        else:
            e = tensors["embeddings"].astype(np.float32)
            x = e[tensors["chosen"][rows]] - e[tensors["rejected"][rows]]
        self.x = torch.from_numpy(np.ascontiguousarray(x))
        ids = tensors["user"][rows]
        self.users = np.unique(ids) if users is None else users
        self.user = torch.from_numpy(np.searchsorted(self.users, ids))
        self.count = torch.bincount(self.user, minlength=len(self.users)).clamp(min=1)

    def accuracy(self, margins):
        right = torch.bincount(self.user, weights=(margins > 0).double(), minlength=len(self.users))
        present = torch.bincount(self.user, minlength=len(self.users)) > 0
        return float((right / self.count)[present].mean())


def softplus(t):
    return torch.nn.functional.softplus(t)


def published(train, test, rank, seed, iterations, tau=100.0, rate=0.5):
    torch.manual_seed(seed)
    v = torch.randn(train.x.shape[1], rank, requires_grad=True)
    a = torch.randn(len(train.users), rank, requires_grad=True)
    adam = torch.optim.Adam([v, a], lr=rate)
    share = 1.0 / train.count[train.user].float()
    start = time.perf_counter()
    for _ in range(iterations):
        adam.zero_grad()
        scores = train.x @ (v @ torch.softmax(a, 1).T)  # comparisons x users
        margins = scores.gather(1, train.user[:, None]).squeeze(1) / tau
        (softplus(-margins) * share).sum().backward()
        adam.step()
    seconds = time.perf_counter() - start
    with torch.no_grad():
        margins = ((test.x @ v) * torch.softmax(a, 1)[test.user]).sum(1)
    return seconds, test.accuracy(margins), v.detach()


def published_few_shot(shots, v, user, steps=500, tau=100.0, rate=0.1):
    x = shots.x[shots.user == user]
    a = torch.randn(v.shape[1], requires_grad=True)
    adam = torch.optim.Adam([a], lr=rate)
    for _ in range(steps):
        adam.zero_grad()
        softplus(-(x @ (v @ torch.softmax(a, 0))) / tau).mean().backward()
        adam.step()
    return a.detach()


def published_regularised(train, rank, seed, iterations, head, alpha=1e4, tau=100.0, rate=0.5):
    torch.manual_seed(seed)
    v = torch.randn(train.x.shape[1], rank, requires_grad=True)
    a = torch.rand(len(train.users), rank, requires_grad=True)
    steps = [torch.optim.Adam([part], lr=rate) for part in (a, v)]

    def loss():
        scores = train.x @ (v @ torch.softmax(a, 1).T)  # comparisons x users
        return softplus(-scores.gather(1, train.user[:, None]).squeeze(1) / tau).mean()

    start = time.perf_counter()
    for _ in range(iterations):
        for adam, part in zip(steps, (a, v)):
            adam.zero_grad()
            value = loss()
            if part is v:
                value = value + alpha * (1 - torch.nn.functional.cosine_similarity(v, head[:, None], dim=0)).mean()
            value.backward(inputs=[part])
            adam.step()
    return time.perf_counter() - start


def tuned(train, test, rank, seed, scale_first, scale_others):
    torch.manual_seed(seed)
    mean_square = float(train.x.square().sum() / len(train.x))
    scales = torch.tensor([scale_first] + [scale_others] * (rank - 1))
    root = scales / math.sqrt(mean_square)  # of one over lambda: steps of one size in every column
    u = (0.05 * torch.randn(train.x.shape[1], rank)).requires_grad_(True)
    delta = torch.zeros(len(train.users), rank - 1)
    if rank > 1:
        delta.normal_(0, 0.3)
    delta.requires_grad_(True)
    solver = torch.optim.LBFGS([u, delta], max_iter=1000, history_size=10, line_search_fn="strong_wolfe",
                               tolerance_grad=0, tolerance_change=0)
    best = {"value": math.inf, "calls": 0}
    trace = []

    class Enough(Exception):
        pass

    def weights(user):
        return torch.cat([torch.ones(len(user), 1), delta[user]], 1)

    def objective():
        solver.zero_grad()
        margins = ((train.x @ (u * root)) * weights(train.user)).sum(1)
        value = softplus(-margins).sum() + 0.5 * u.square().sum() + 0.5 * delta.square().sum()
        value.backward()
        best["calls"] += 1
        trace.append(float(value))
        if len(trace) > 10 and trace[-11] - trace[-1] < 1e-4 * abs(trace[-1]):
            raise Enough
        return value

    start = time.perf_counter()
    try:
        solver.step(objective)
    except Enough:
        pass
    seconds = time.perf_counter() - start
    with torch.no_grad():
        margins = ((test.x @ (u * root)) * weights(test.user)).sum(1)
    return seconds, test.accuracy(margins), best["calls"], trace[-1]


def logistic(train, test, scale, tolerance):
    from sklearn.linear_model import LogisticRegression

    x = train.x.numpy()
    sign = np.where(np.arange(len(x)) % 2 == 0, 1.0, -1.0).astype(np.float32)
    strength = float(np.square(x).sum() / len(x)) / scale**2
    model = LogisticRegression(C=1 / strength, fit_intercept=False, solver="lbfgs", max_iter=1000, tol=tolerance)
    signed = x * sign[:, None]
    start = time.perf_counter()
    model.fit(signed, sign)
    seconds = time.perf_counter() - start
    v = torch.from_numpy(model.coef_[0].astype(np.float32))
    objective = float(softplus(-(train.x @ v)).sum() + 0.5 * strength * v.square().sum())
    return seconds, test.accuracy(test.x @ v), int(model.n_iter_[0]), objective


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--ranks", default="1,5")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--protocol", choices=["paper", "regularised"], default="paper", help="of the published loop")
    parser.add_argument("--iterations", type=int, default=1000, help="of the published loop")
    parser.add_argument("--measured", type=int, default=20, help="iterations that are run to project the rest")
    parser.add_argument("--complete", action="store_true", help="run the published loop to its end once, for accuracy")
    parser.add_argument("--scale-first", type=float, default=1)
    parser.add_argument("--scale-others", type=float, default=1)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    tensors = read(options.data)
    train = Part(tensors, 0)
    test = Part(tensors, 1, train.users)
    shots = Part(tensors, 2)

    def row(system, work, rank, seconds, projected=False, passes=None, accuracy=None, objective=None):
        print(json.dumps({"system": system, "work": work, "rank": rank, "seconds": seconds, "projected": projected,
                          "passes": passes, "test_accuracy": accuracy, "objective": objective}), flush=True)

    ranks = list(map(int, options.ranks.split(",")))
    if options.protocol == "regularised":
        head = torch.from_numpy(tensors["reference_head"].astype(np.float32))
        for rank in ranks:
            times = [published_regularised(train, rank, seed, options.measured, head)
                     for seed in range(options.repeats)]
            row("published", "regularised", rank, [t * options.iterations / options.measured for t in times], True,
                options.iterations)
        return

    for rank in ranks:
        factor = options.iterations / options.measured
        runs = [published(train, test, rank, seed, options.measured) for seed in range(options.repeats)]
        seconds, accuracy, v = [run[0] * factor for run in runs], None, runs[0][2]
        if options.complete:
            spent, accuracy, v = published(train, test, rank, 0, options.iterations)
            seconds = [spent]
        row("published", "joint fit", rank, seconds, not options.complete, options.iterations, accuracy)
        if rank > 1 and len(shots.users):
            times = []
            few = min(3, len(shots.users))
            for _ in range(options.repeats):
                start = time.perf_counter()
                for user in range(few):
                    published_few_shot(shots, v, user)
                times.append((time.perf_counter() - start) * len(shots.users) / few)
            row("published", "few-shot", rank, times, True)
        runs = [tuned(train, test, rank, seed, options.scale_first, options.scale_others)
                for seed in range(options.repeats)]
        row("tuned_torch", "joint fit", rank, [run[0] for run in runs], False,
            sorted(run[2] for run in runs)[len(runs) // 2], float(np.mean([run[1] for run in runs])),
            min(run[3] for run in runs))
        if rank == 1:
            try:
                runs = [logistic(train, test, options.scale_first, 1e-4) for _ in range(options.repeats)]
            except ImportError:
                continue
            row("sklearn", "joint fit", 1, [run[0] for run in runs], False, runs[0][2], runs[0][1], runs[0][3])


if __name__ == "__main__":
    main()
