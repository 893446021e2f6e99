from typing import Literal

from dagster import Config, job, op
from pydantic import Field


class Cat(Config):
    pet_type: Literal["cat"] = "cat"
    meows: int


class Dog(Config):
    pet_type: Literal["dog"] = "dog"
    barks: float


class Owner(Config):
    pet: Cat | Dog = Field(discriminator="pet_type")
    n: int = 0


@op
def describe(config: Owner):
    return [type(config.pet).__name__, config.pet.pet_type, config.n]


@job
def pets():
    describe()


def _run(pet):
    return {"job": "pets", "run_config": {"ops": {"describe": {"config": {"pet": pet, "n": 2}}}}}


RUNS = {
    "cat": _run({"cat": {"meows": 3}}),
    "dog": _run({"dog": {"barks": 1.5}}),
    "bird": _run({"bird": {}}),
    "both": _run({"cat": {"meows": 1}, "dog": {"barks": 1.0}}),
}
