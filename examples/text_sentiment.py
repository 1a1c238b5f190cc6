"""An LSTM that tells whether a review is good, on sentences made by a small grammar; any Keras.

python examples/text_sentiment.py
"""

import argparse

import keras
import numpy as np

from learned_lr import LearnedLearningRate

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--plain", action="store_true", help="train without the callback")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=6)
options = parser.parse_args()
keras.utils.set_random_seed(options.seed)

GOOD = ["good", "great", "fine", "superb", "moving", "funny", "clever", "warm"]
BAD = ["bad", "poor", "dull", "awful", "boring", "silly", "weak", "cold"]
NOUNS = ["plot", "acting", "film", "script", "music", "ending", "cast", "story"]
FILLERS = ["really", "quite", "very", "rather", "just", "so", "somewhat"]
WORDS = ["", "the", "was", "not", "but", "although", *GOOD, *BAD, *NOUNS, *FILLERS]
LENGTH = 20  # words, enough for the longest review


def clause(generator):
    """Returns (words, whether it is good), of 'the plot was not really good'."""
    is_good, is_negated = generator.random(2) < (0.5, 0.3)
    fillers = generator.choice(FILLERS, generator.integers(4))
    adjective = generator.choice(GOOD if is_good != is_negated else BAD)
    words = ["the", generator.choice(NOUNS), "was", *(["not"] if is_negated else [])]
    return [*words, *fillers, adjective], is_good


def review(generator):
    """Returns (word numbers, label): what follows 'but' decides, and what 'although' begins doesn't."""
    (first, is_first_good), (second, is_second_good) = clause(generator), clause(generator)  # fmt: skip
    kind = generator.integers(3)
    if kind == 0:
        words, is_good = first, is_first_good
    elif kind == 1:
        words, is_good = [*first, "but", *second], is_second_good
    else:
        words, is_good = [*first, "although", *second], is_first_good
    if generator.random() < 0.05:  # Some readers press the wrong button.
        is_good = not is_good
    numbers = [WORDS.index(word) for word in words]
    return [0] * (LENGTH - len(numbers)) + numbers, is_good


generator = np.random.default_rng(0)
reviews = [review(generator) for _ in range(6000)]
x = np.array([numbers for numbers, _ in reviews], np.int32)
y = np.array([is_good for _, is_good in reviews], np.float32)

model = keras.Sequential(
    [
        keras.layers.Input((LENGTH,), dtype="int32"),
        keras.layers.Embedding(len(WORDS), 32),
        keras.layers.Bidirectional(keras.layers.LSTM(32)),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
model.fit(
    x[:4000],
    y[:4000],
    epochs=options.epochs,
    batch_size=32,
    validation_data=(x[4000:5000], y[4000:5000]),
    callbacks=[] if options.plain else [LearnedLearningRate()],
    verbose=2,
)
loss, accuracy = model.evaluate(x[5000:], y[5000:], verbose=0)
print(f"test loss: {loss:.4f}")
print(f"test accuracy: {accuracy:.4f}")
