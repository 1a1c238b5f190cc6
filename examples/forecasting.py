"""An LSTM that forecasts a noisy series with a daily and a weekly season; any Keras.

python examples/forecasting.py
"""

import argparse

import keras
import numpy as np

from learned_lr import LearnedLearningRate

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--plain", action="store_true", help="train without the callback")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=20)
options = parser.parse_args()
keras.utils.set_random_seed(options.seed)

NUM_HOURS, NUM_PAST, NUM_AHEAD = 6000, 48, 6

# Hours of a temperature: two seasons, a slow drift, and weather that fades with a half-life of 7 hours.
generator, hours = np.random.default_rng(0), np.arange(NUM_HOURS)
weather = np.zeros(NUM_HOURS)
for hour in range(1, NUM_HOURS):
    weather[hour] = 0.9 * weather[hour - 1] + generator.normal(0, 0.8)
daily = 5 * np.sin(2 * np.pi * hours / 24) * (1 + 0.1 * weather)
weekly = 2 * np.sin(2 * np.pi * hours / 168)
series = 15 + daily + weekly + 0.0005 * hours + weather + generator.normal(0, 0.5, NUM_HOURS)  # fmt: skip

# In order: the past trains, what comes later validates, and the last part tests.
series = (series - series[:4000].mean()) / series[:4000].std()
windows = np.lib.stride_tricks.sliding_window_view(series, NUM_PAST + NUM_AHEAD)
x = windows[:, :NUM_PAST, None].astype(np.float32)
y = windows[:, NUM_PAST:].astype(np.float32)
gap = NUM_PAST + NUM_AHEAD  # So that no hour is in two parts.

model = keras.Sequential(
    [
        keras.layers.Input((NUM_PAST, 1)),
        keras.layers.LSTM(32),
        keras.layers.Dense(NUM_AHEAD),
    ]
)
model.compile("adam", "mse", metrics=["mae"])
stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
model.fit(
    x[: 4000 - gap],
    y[: 4000 - gap],
    epochs=options.epochs,
    batch_size=64,
    validation_data=(x[4000 : 5000 - gap], y[4000 : 5000 - gap]),
    callbacks=[stop] if options.plain else [stop, LearnedLearningRate()],
    verbose=2,
)
loss, error = model.evaluate(x[5000:], y[5000:], verbose=0)
print(f"test loss: {loss:.4f}")
print(f"test mean absolute error: {error:.4f}")
