import masked_people
import numpy as np
import pytest

from opec_tf.common.errors import UserError
from opec_tf.data.pasted import masks

SIZE = (150, 130)
PLACE = np.array([60, 20])


@pytest.mark.parametrize("form", masked_people.FORMS)
def test_every_form_of_a_mask_is_decoded(form):
    mask = masked_people.mask_of(PLACE, SIZE)
    decoded = masks.decode(masked_people.segmentation(mask, form), *SIZE, "f.json: annotation 1")
    np.testing.assert_array_equal(decoded, mask)
    assert mask.sum() == 40 * 108


def test_polygons_of_several_parts_are_joined_and_stumps_left_out():
    first, second = [0, 0, 4, 0, 4, 3, 0, 3], [10, 10, 12, 10, 12, 12, 10, 12]
    assert masks.decode([first, second, [1, 2, 3, 4]], 20, 20, "f").sum() == 12 + 4
    assert masks.decode([[1, 2, 3, 4]], 20, 20, "f").sum() == 0


@pytest.mark.parametrize("faulty", [{"size": [4, 4]}, {"counts": [16]}, [["a"] * 6], [7], {"size": 3, "counts": "x"}])
def test_a_malformed_mask_names_its_annotation(faulty):
    with pytest.raises(UserError, match=r"^f.json: annotation 7: 'segmentation' is neither polygons nor COCO's RLE"):
        masks.decode(faulty, 4, 4, "f.json: annotation 7")


def test_a_mask_of_another_size_is_an_error():
    with pytest.raises(UserError, match="f: 'segmentation' is of 5 x 4 pixels, its image of 7 x 4"):
        masks.decode({"size": [4, 5], "counts": [20]}, 4, 7, "f")


def test_whole_is_who_the_border_does_not_cut():
    joints = masked_people.STANDING + PLACE
    mask = masked_people.mask_of(PLACE, SIZE)
    assert masks.is_whole(mask, joints)
    assert not masks.is_whole(masked_people.mask_of([60, 60], SIZE), masked_people.STANDING + [60, 60])  # feet cut off
    assert not masks.is_whole(masked_people.mask_of([10, 20], SIZE), masked_people.STANDING + [10, 20])
    toe = mask.copy()
    toe[100:110, :60] = 1  # 10 of 108 rows reach the border
    assert masks.is_whole(toe, joints)


def test_whole_is_who_is_in_one_part_and_covers_the_joints():
    joints = masked_people.STANDING + PLACE
    mask = masked_people.mask_of(PLACE, SIZE)
    split = mask.copy()
    split[60:64] = 0
    assert not masks.is_whole(split, joints)
    legs_missing = mask.copy()
    legs_missing[72:] = 0  # hips at y = 70, knees at 94
    assert masks.covered(legs_missing, joints).mean() == 10 / 14
    assert not masks.is_whole(legs_missing, joints)
    assert not masks.is_whole(np.zeros_like(mask), joints)


def test_excess_is_what_lies_far_from_every_limb():
    mask = np.zeros([60, 100], np.uint8)
    mask[10:15, 10:90] = 1
    limb = np.array([[[10.0, 12.0], [89.0, 12.0]]])
    assert masks.excess(mask, limb, 5.0) == 0.0
    mask[40:45, 10:90] = 1
    assert masks.excess(mask, limb, 5.0) == pytest.approx(0.5)
    assert masks.excess(mask, np.zeros([0, 2, 2]), 5.0) == 1.0


def test_covered_rounds_to_pixels_and_ends_at_the_border():
    mask = np.zeros([4, 5], np.uint8)
    mask[1, 2] = mask[3, 4] = 1
    points = np.array([[2.4, 0.6], [2.6, 1.0], [4.0, 3.0], [5.0, 3.0], [-1.0, 3.0]])
    assert masks.covered(mask, points).tolist() == [True, False, True, False, False]
