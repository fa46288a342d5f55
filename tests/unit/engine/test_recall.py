import pytest

from olfactory_transformer.core.config import ScentPrediction
from olfactory_transformer.core.errors import EmptyMolecule
from olfactory_transformer.engine.recall import Recall
from olfactory_transformer.utils.codec import encode_prediction
from olfactory_transformer.utils.stored import prediction_key
from olfactory_transformer.utils.stores.disk import DiskStore
from olfactory_transformer.utils.stores.memory import MemoryStore
from olfactory_transformer.utils.stores.tiers import Tiers

pytestmark = pytest.mark.anyio
HASH, DILUTION = "0" * 64, 1e-3
ETHANOL = ScentPrediction(smiles="CCO", canonical_smiles="CCO", intensity=1.0, warnings=("of the molecule",))
KEY = prediction_key(HASH, "m1:CCO", DILUTION)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def recall():
    recall = Recall(Tiers([MemoryStore(10, 60)], ttl=60))
    yield recall
    await recall.close()


async def test_a_text_is_known_when_its_molecule_is(recall):
    recall.means("OCC", ("m1:CCO", ("of the spelling",)))
    assert recall.at_once(HASH, "OCC", DILUTION) is None
    recall.keep({KEY: encode_prediction(ETHANOL)})
    found = recall.at_once(HASH, "OCC", DILUTION)
    assert (found.smiles, found.canonical_smiles, found.intensity) == ("OCC", "CCO", 1.0)
    assert found.warnings == ("of the spelling", "of the molecule")
    assert recall.at_once(HASH, "C(C)O", DILUTION) is None
    assert recall.at_once("1" * 64, "OCC", DILUTION) is None
    assert recall.at_once(HASH, "OCC", 0.1) is None


async def test_what_is_no_molecule_is_remembered_too(recall):
    error = EmptyMolecule("nothing", "something")
    recall.means("", error)
    found = recall.at_once(HASH, "", DILUTION)
    assert (type(found), str(found)) == (EmptyMolecule, str(error))
    assert found is not error  # which keeps the frames of whoever raises it


async def test_bytes_that_are_no_prediction_are_not_there(recall):
    recall.means("OCC", ("m1:CCO", ()))
    recall.keep({KEY: b"\x01junk"})
    assert recall.at_once(HASH, "OCC", DILUTION) is None
    assert await recall.find([KEY]) == {}


async def test_slower_tiers_are_found_and_written_behind(tmp_path):
    def tiers():
        return Tiers([MemoryStore(10, 60), DiskStore(tmp_path, 10_000_000, 60)], ttl=60)

    first = Recall(tiers())
    first.keep({KEY: encode_prediction(ETHANOL)})
    await first.close()  # which waits for what is to be written
    second = Recall(tiers())
    assert await second.find([KEY, "p-unknown"]) == {KEY: ETHANOL}
    second.means("CCO", ("m1:CCO", ()))
    assert second.at_once(HASH, "CCO", DILUTION) == ETHANOL  # it is in memory now
    await second.close()


async def test_without_tiers_nothing_is_kept():
    recall = Recall()
    recall.keep({KEY: encode_prediction(ETHANOL)})
    assert await recall.find([KEY]) == {}
    await recall.close()


async def test_the_memory_of_texts_is_bounded():
    recall = Recall(texts=10)
    for n in range(100):
        recall.means("C" * n, ("m1:C", ()))
    recall.means("C" * 5000, ("m1:C", ()))
    assert len(recall._meanings) == 10
