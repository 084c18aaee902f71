"""The mels that a model predicts for its recordings, on the recordings' own alignment, to fine-tune a vocoder on.

    python -m training.predict_mels -c logs/mine/checkpoint.pt --filelist corpora/mine/train.txt --out predicted
    python -m hifigan.train --filelist corpora/mine/train.txt --mels predicted --out logs/vocoder

Writes OUT/NAME.npy, (n_mels, frames), for every NAME.wav of the filelist: the text in the recording's voice, with its
durations, F0 and energy, so that mel and recording run in step.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from common.arguments import DEVICES, Parser, folder, whole
from common.errors import SOME_SKIPPED, BadLines, InputError, reports_input_errors, shown
from common.files import in_use, replacing
from params import Params


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog="python -m training.predict_mels",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-c", "--checkpoint", required=True, help="the model")
    parser.add_argument("--filelist", required=True, help="recordings that it was trained on")
    parser.add_argument("--out", type=folder, required=True, help="folder for the mels")
    parser.add_argument("--strict", action="store_true", help="stop at the first bad line of the filelist")
    parser.add_argument("-t", "--timesteps", type=whole(1, 10_000), help="evaluations; default: the checkpoint's")
    parser.add_argument("--seed", type=whole(0, 2**63 - 1), default=0, help="seed of the noise; default: %(default)s")
    parser.add_argument("--cache", default=Params().train.cache_dir, help="feature cache; default: %(default)s")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: %(default)s")
    arguments = parser.parse_args(argv)
    with in_use(arguments.out):
        return _predict(arguments)


def _predict(arguments: argparse.Namespace) -> int:
    import numpy as np
    import torch
    from tqdm import tqdm

    from common.device import choose_device
    from data.batching import collate
    from data.model_file import load_checkpoint
    from model.cond_grad_tts import CondGradTTS, crop
    from model.text_to_mel import Sampling
    from text.front_end import front_end
    from training import corpus
    from training.style_batch import style_of_batch

    device = choose_device(arguments.device)
    loaded = load_checkpoint(arguments.checkpoint)
    if not isinstance(loaded.model, CondGradTTS):
        raise InputError(f"{arguments.checkpoint} is an official checkpoint; give one of this project")
    model = loaded.model.to(device)
    files = {"train_filelist": arguments.filelist, "cache_dir": arguments.cache}
    params = replace(loaded.params, train=replace(Params().train, **files))
    reader = front_end(params.text.front_end, loaded.symbols, params.text.add_blank)
    bad_lines = BadLines(arguments.strict)
    utterances = corpus.read_training_list(params, bad_lines)
    twice, times = Counter(utterance.stem for utterance in utterances).most_common(1)[0]
    if times > 1:
        raise InputError(f"{arguments.filelist}: two recordings are named {twice}; rename one")
    cache = corpus.build_cache(params, utterances)
    dataset = corpus.make_dataset(
        arguments.filelist, utterances, cache, reader, loaded.speakers, loaded.emotions, params, bad_lines
    )
    names = [utterance.stem for utterance in dataset.utterances]
    steps = arguments.timesteps or params.inference.steps
    for index, name in enumerate(tqdm(names, desc="mels", unit="file", disable=None)):
        batch = collate([dataset[index]]).to(device)
        style = style_of_batch(model, batch)
        generator = torch.Generator().manual_seed(arguments.seed + index)
        with torch.no_grad():
            _, frames, mel = model.aligned(
                batch.ids, batch.id_lengths, batch.mel, batch.mel_lengths, style, batch.token_spans
            )
            frames, _ = crop(frames, mel, None)  # padded to what the decoder takes
        sampling = Sampling(steps, params.inference.temperature, model.usual_sampler, generator)
        predicted = model.decode(frames, style, sampling, params.inference.guidance_scale).mel[0]
        with replacing(arguments.out / f"{name}.npy") as temporary, open(temporary, "wb") as file:
            np.save(file, predicted[:, : int(batch.mel_lengths[0])].float().cpu().numpy())
    print(shown(f"{len(names)} mels in {arguments.out}"))
    for line in bad_lines.summary():
        print(line, file=sys.stderr)
    return SOME_SKIPPED if bad_lines.messages else 0


if __name__ == "__main__":
    sys.exit(main())
