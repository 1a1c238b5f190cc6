"""Other callbacks that reset the metrics in the middle of an epoch, as `evaluate` does, and what the callback makes of it."""

from __future__ import annotations

import gc
import weakref

import keras
import numpy as np
import own_models
import pytest

from learned_lr.callback import backends, metric_resets
from learned_lr.callback.controlled_run import ControlledRun


class _Evaluation(keras.callbacks.Callback):
    """Evaluates the model every seven minibatches."""

    def __init__(self, data):
        super().__init__()
        self.data = data

    def on_train_batch_end(self, batch, logs=None):
        if batch % 7 == 6:
            self.model.evaluate(*self.data, verbose=0)


class _Reset(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.model.reset_metrics()


def _fit(compiled, digits, monkeypatch, make_callbacks):
    """(the train losses that the controller sees, the rates)."""
    losses = []
    observe = ControlledRun.observe

    def spy(self, train_loss, *arguments):
        losses.append(train_loss)
        observe(self, train_loss, *arguments)

    callback = own_models.learned(control_interval=5)
    x, y = digits[:2]
    with monkeypatch.context() as patch:
        patch.setattr(ControlledRun, "observe", spy)
        compiled().fit(
            x,
            y,
            batch_size=48,
            epochs=3,
            shuffle=False,
            verbose=0,
            validation_data=digits[2:],
            callbacks=make_callbacks(callback),
        )
    return losses, callback.schedule.learning_rates


class _FirstEvaluation(_Evaluation):
    """Evaluates the model at an epoch's begin."""

    def on_epoch_begin(self, epoch, logs=None):
        self.model.evaluate(*self.data, verbose=0)


@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize("kind", [_Evaluation, _FirstEvaluation, _Reset])
@pytest.mark.parametrize("is_own", [False, True])
def test_the_losses_are_those_without(
    digits, compiled, monkeypatch, kind, is_before, is_own
):
    if is_own:
        plain = compiled

        def compiled():
            return plain(own_models.classifier(own_models.TrackingTrainStep))

    data = tuple(array[:50] for array in digits[2:])
    other = _Reset() if kind is _Reset else kind(data)
    expected, rates = _fit(compiled, digits, monkeypatch, lambda c: [c])
    found, found_rates = _fit(
        compiled, digits, monkeypatch, lambda c: [other, c] if is_before else [c, other]
    )
    assert len(found) > 5
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    np.testing.assert_allclose(found_rates, rates, rtol=1e-3)


class ResettingTrainStep(keras.Sequential):
    def train_step(self, *arguments):
        self.reset_metrics()
        return own_models.train_plainly(self, arguments)


class _Pairs(keras.metrics.Mean):
    """One whose result is no number."""

    def result(self):
        mean = super().result()
        return {"a": mean, "b": mean}


def _check_decisions(model, digits):
    model.compile("adam", "sparse_categorical_crossentropy")
    callback = own_models.learned(control_interval=5)
    arguments = {"validation_data": digits[2:], "callbacks": [callback]}
    model.fit(*digits[:2], verbose=0, **arguments)
    assert callback.last_fit.run.num_decisions == 4


@pytest.mark.backends("tensorflow", "torch", "jax")
def test_a_train_step_that_resets_them(digits):
    _check_decisions(own_models.classifier(ResettingTrainStep), digits)


@pytest.mark.skipif(not backends.IS_KERAS_2, reason="no dicts in logs of Keras 3")
def test_a_mean_whose_result_is_no_number(digits):
    class Model(keras.Sequential):
        @property
        def metrics(self):
            return [*super().metrics, pairs]

    pairs = _Pairs(name="pairs")
    _check_decisions(own_models.classifier(Model), digits)


def test_a_model_is_left_as_it_was(digits, compiled):
    model = compiled()
    callback = own_models.learned()
    arguments = {"validation_data": digits[2:], "verbose": 0}
    model.fit(*digits[:2], callbacks=[callback], **arguments)
    assert "reset_metrics" not in vars(model)
    # Nor does the callback keep what the fit needed, the model among it.
    assert callback._fit is None


def test_who_is_told_may_be_gone(compiled):
    class Told:
        num = 0

        def tell(self):
            Told.num += 1

    model, told = compiled(), Told()
    metric_resets.watch(model, told.tell)
    model.reset_metrics()
    metric_resets.reset(model)
    assert Told.num == 1
    told = weakref.ref(told)
    gc.collect()
    assert told() is None
    model.reset_metrics()
    assert Told.num == 1
    metric_resets.watch(model, Told().tell)
    metric_resets.leave(model)
    assert "reset_metrics" not in vars(model)


def test_a_method_of_the_model_alone_comes_back(compiled):
    class Told:
        def tell(self):
            calls.append("told")

    calls, told, model = [], Told(), compiled()
    own = lambda: calls.append("own")
    model.reset_metrics = own
    metric_resets.watch(model, told.tell)
    model.reset_metrics()
    assert calls == ["told", "own"]
    metric_resets.leave(model)
    assert model.reset_metrics is own
